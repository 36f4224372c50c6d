//! Certificates for tests, made by `openssl`.

use std::path::PathBuf;
use std::process::Command;

use crate::folder::Folder;

/// An authority with what it signed: `ca.pem`, `server.pem` and `server.key` for 127.0.0.1 and `localhost`, `client.pem` and `client.key`.
#[derive(Debug)]
pub struct Certificates(Folder);

impl Certificates {
    /// Makes them; none, with the reason said, where there is no `openssl`.
    #[must_use]
    pub fn make() -> Option<Self> {
        if Command::new("openssl").arg("version").output().is_err() {
            eprintln!("skipped: there is no openssl here; install it: `apt install openssl`");
            return None;
        }
        let made = Self(Folder::new());
        let key = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
        let mut words = vec!["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=test authority"];
        words.extend(["-newkey", key[0], key[1], key[2], "-keyout", "ca.key", "-out", "ca.pem"]);
        made.openssl(&words);
        for (name, extension) in [
            ("server", "subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth"),
            ("client", "subjectAltName=DNS:client\nextendedKeyUsage=clientAuth"),
        ] {
            let [pem, own, request, more] =
                ["pem", "key", "csr", "ext"].map(|end| format!("{name}.{end}"));
            std::fs::write(made.file(&more), extension).expect("a file");
            let subject = format!("/CN={name}");
            let mut words = vec!["req", "-new", "-nodes", "-subj", &subject];
            words.extend(["-newkey", key[0], key[1], key[2], "-keyout", &own, "-out", &request]);
            made.openssl(&words);
            let mut words = vec!["x509", "-req", "-days", "2", "-in", &request, "-out", &pem];
            words.extend(["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"]);
            words.extend(["-extfile", &more]);
            made.openssl(&words);
        }
        Some(made)
    }

    /// Where one is.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn openssl(&self, words: &[&str]) {
        let ran = Command::new("openssl").args(words).current_dir(self.0.path()).output();
        let ran = ran.expect("openssl runs");
        assert!(ran.status.success(), "{words:?}: {}", String::from_utf8_lossy(&ran.stderr));
    }
}
