//! What strongSwan is told, as text, and what it answers.

use std::fmt::Write;

use netwright_dataplane::plan::{Side, TunnelEnd};

use super::super::secret::Secret;

/// The name of the connection and of its tunnel, the same at every end.
pub(super) const NAME: &str = "tunnel";

/// Octets of the key that both ends have in common.
const KEY: usize = 32;

/// The proposal of a suite in strongSwan's words; `None` for a suite that it does not have.
pub(super) fn proposal(suite: &str) -> Option<String> {
    let name = suite.to_ascii_lowercase().replace(['_', ' '], "-");
    let key = ["256", "192"]
        .into_iter()
        .find(|bits| name.contains(&format!("aes{bits}")) || name.contains(&format!("aes-{bits}")));
    let key = key.unwrap_or("128");
    let mode = ["gcm", "ccm"].into_iter().find(|mode| name.contains(mode));
    if let Some(mode) = mode {
        let ends =
            |icv: &&str| name.ends_with(&format!("-{icv}")) || name.ends_with(&format!("cm{icv}"));
        let icv = ["12", "8"].into_iter().find(ends).unwrap_or("16");
        return Some(format!("aes{key}{mode}{icv}"));
    }
    if name.contains("chacha20") {
        return Some("chacha20poly1305".to_owned());
    }
    let check = if name.contains("512") {
        "sha512"
    } else if name.contains("384") {
        "sha384"
    } else if name.contains("sha256") || name.contains("sha2-256") || name.contains("sha-256") {
        "sha256"
    } else if name.contains("sha1") || name.contains("sha-1") {
        "sha1"
    } else {
        return None;
    };
    match (name.contains("ctr"), name.contains("cbc")) {
        (true, _) => Some(format!("aes{key}ctr-{check}")),
        (false, true) => Some(format!("aes{key}-{check}")),
        (false, false) => None,
    }
}

/// The daemon's own settings. It gives up soon on an end that does not answer: in a lab nothing is far away.
pub(super) fn daemon() -> String {
    "charon {
  load = random nonce openssl aes sha1 sha2 hmac kdf gcm ccm ctr chapoly curve25519 kernel-libipsec kernel-netlink socket-default vici
  install_virtual_ip = no
  retransmit_tries = 3
  retransmit_timeout = 1.0
  retransmit_base = 1.5
  filelog {
    stderr {
      default = 0
      ike = 1
      flush_line = yes
    }
  }
  plugins {
    vici {
      socket = unix:///run/vici
    }
  }
}
swanctl {
  load = random nonce openssl
}
"
        .to_owned()
}

/// The connection of an end, and the key that both have in common.
pub(super) fn connection(
    end: &TunnelEnd,
    (proposal, udp): (&str, bool),
    secret: &Secret,
) -> String {
    let other = match end.side {
        Side::Near => Side::Far,
        Side::Far => Side::Near,
    };
    let key = secret.key(b"psk", KEY).iter().fold("0x".to_owned(), |mut text, octet| {
        // Writing into a string does not fail.
        let _fine = write!(text, "{octet:02x}");
        text
    });
    let (own, peer) = (end.own, end.peer);
    let (own_name, other_name) = (end.side.word(), other.word());
    let encapsulated = if udp { "yes" } else { "no" };
    format!(
        "connections {{
  {NAME} {{
    version = 2
    local_addrs = {own}
    remote_addrs = {peer}
    proposals = aes128-sha256-curve25519
    encap = {encapsulated}
    mobike = no
    unique = replace
    dpd_delay = 3s
    local {{
      auth = psk
      id = {own_name}
    }}
    remote {{
      auth = psk
      id = {other_name}
    }}
    children {{
      {NAME} {{
        local_ts = 0.0.0.0/0, ::/0
        remote_ts = 0.0.0.0/0, ::/0
        esp_proposals = {proposal}
        mode = tunnel
      }}
    }}
  }}
}}
secrets {{
  ike-{NAME} {{
    secret = {key}
  }}
}}
"
    )
}

/// Whether what the daemon lists has the tunnel's packets encrypted.
pub(super) fn is_installed(listed: &[u8]) -> bool {
    String::from_utf8_lossy(listed).contains("state=INSTALLED")
}

#[cfg(test)]
mod tests {
    use super::{is_installed, proposal};

    #[test]
    fn suites_are_said_in_the_daemons_words() {
        for (suite, said) in [
            ("aes-gcm-16", "aes128gcm16"),
            ("AES_256_GCM_8", "aes256gcm8"),
            ("aes-ccm-12", "aes128ccm12"),
            ("chacha20-poly1305", "chacha20poly1305"),
            ("aes-cbc-sha256", "aes128-sha256"),
            ("aes-256-cbc-sha512", "aes256-sha512"),
            ("aes-ctr-sha1", "aes128ctr-sha1"),
        ] {
            assert_eq!(proposal(suite).as_deref(), Some(said), "{suite}");
        }
        assert_eq!(proposal("rot13"), None);
    }

    #[test]
    fn a_tunnel_whose_keys_are_not_there_yet_is_not_up() {
        let listed = "list-sa event {tunnel {uniqueid=1 state=ESTABLISHED child-sas {tunnel-1 {name=tunnel state=INSTALLED mode=TUNNEL}}}}";
        assert!(is_installed(listed.as_bytes()));
        assert!(!is_installed(&listed.as_bytes()[..60]));
    }
}
