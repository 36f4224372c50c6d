//! Folders that are gone when their test ends.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder of one test.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("cli-{}-{number}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).expect("a folder for the test");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.0.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).expect("a folder for the file");
        }
        std::fs::write(path, content).expect("the test's file");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _left_behind = std::fs::remove_dir_all(&self.0);
    }
}

/// Two tiers, one open to the Internet, with what must and must not work.
pub(crate) const SHOP: &str = r"
provider: aws
vpcs:
  shop:
    cidr: 10.0.0.0/16
    main_route_table: private
    route_tables:
      public:
        routes:
          - { to: 0.0.0.0/0, via: internet_gateway:edge }
      private: {}
    subnets:
      web: { cidr: 10.0.1.0/24, route_table: public }
      data: { cidr: 10.0.2.0/24 }
internet_gateways:
  edge: { vpc: shop }
filters:
  web:
    rules:
      - { direction: ingress, protocol: tcp, port: 443, from: any }
      - { direction: egress }
  data:
    rules:
      - { name: from-web, direction: ingress, protocol: tcp, port: 5432, from: group:web }
instances:
  web-1: { id: i-web, subnet: web, address: 10.0.1.10, public_address: 198.51.100.7, filters: web }
  db-1: { id: i-db, subnet: data, address: 10.0.2.10, filters: data }
expect:
  web reaches the database: { from: web-1, to: db-1, service: tcp/5432 }
  nobody outside reaches the database: { from: internet, to: db-1, outcome: blocked }
";
