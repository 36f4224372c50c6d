//! Balancers of every kind, with backends of every kind.

use super::Writer;

/// What is listened on and asked of backends: ports that rules name, and others.
const PORTS: [&str; 7] = ["tcp/80", "tcp/22", "tcp/20-25", "udp/22", "tcp/443", "icmp", "any"];

impl Writer<'_> {
    pub(super) fn balancers(&mut self) {
        self.line("load_balancers:");
        for number in 0..self.random.below(3) {
            let mut row = format!("kind: {}", self.random.of(&["proxy", "pass-through"]));
            row += &format!(", scheme: {}", self.random.of(&["internal", "external"]));
            match self.random.below(4) {
                0 => row += &format!(", public_address: 198.51.100.{}", 201 + number),
                _ => {
                    let one = self.interface(2 - number, 60 + number);
                    row += &format!(", nodes: {{ a: {{ {one} }}");
                    if number == 0 && self.random.percent(40) {
                        let other = self.interface(15, 70);
                        row += &format!(", b: {{ {other} }}");
                    }
                    row.push_str(" }");
                }
            }
            if self.random.percent(40) {
                row += &format!(", cross_zone: {}", self.random.of(&["true", "false"]));
            }
            for (field, share) in [("proxy_sources", 25), ("probe_sources", 25)] {
                if self.random.percent(share) {
                    let range =
                        self.random.of(&["10.0.0.0/29", "203.0.113.0/27", "'2001:db8::/60'"]);
                    row += &format!(", {field}: [{range}, 10.0.1.16/28]");
                }
            }
            let (listeners, groups) = (self.listeners(), self.groups(number));
            self.line(&format!(
                "  lb{number}: {{ {row}, listeners: {{ {listeners} }}, backends: {{ {groups} }} }}"
            ));
        }
    }

    fn listeners(&mut self) -> String {
        let mut all = Vec::new();
        for name in ["l", "m", "n"].iter().take(self.random.below(4)) {
            let on = self.random.of(&PORTS);
            let mut row = format!("on: {on}");
            match self.random.below(8) {
                0 => {}
                1 => row.push_str(", answers: true"),
                2 => row.push_str(", to: [g, h]"),
                3 => row.push_str(", to: [h]"),
                _ => row.push_str(", to: [g]"),
            }
            all.push(format!("{name}: {{ {row} }}"));
        }
        all.join(", ")
    }

    fn groups(&mut self, number: usize) -> String {
        let mut all = Vec::new();
        for name in ["g", "h"] {
            let mut row = String::new();
            if self.random.percent(50) {
                row += &format!("port: {}, ", self.random.of(&PORTS[..5]));
            }
            if self.random.percent(50) {
                let port = self.random.of(&["", "port: tcp/80", "port: tcp/22"]);
                row += &format!("health_check: {{ {port} }}, ");
            }
            if self.random.percent(30) {
                row +=
                    &format!("preserve_client_address: {}, ", self.random.of(&["true", "false"]));
            }
            if self.random.percent(8) {
                row.push_str("incomplete: cut off, ");
            }
            let targets: Vec<String> =
                (0..self.random.below(4)).map(|_| self.backend(number)).collect();
            all.push(format!("{name}: {{ {row}targets: [{}] }}", targets.join(", ")));
        }
        all.join(", ")
    }

    fn backend(&mut self, number: usize) -> String {
        let target = match self.random.below(12) {
            0 => "172.16.0.5".to_owned(),
            1 if number == 1 => "load_balancer:lb0".to_owned(),
            2 if self.text.contains("\n  svc0: {") => "service:svc0".to_owned(),
            3 => "10.0.0.5".to_owned(),
            4 => self
                .random
                .any(&self.names.externals)
                .map_or_else(|| "instance:i9".to_owned(), |name| format!("external:{name}")),
            _ => format!("instance:{}", self.random.of(&self.names.instances)),
        };
        let mut row = format!("target: '{target}'");
        if self.random.percent(15) {
            row.push_str(", port: 22");
        }
        if self.random.percent(15) {
            row += &format!(", healthy: {}", self.random.of(&["true", "false"]));
        }
        format!("{{ {row} }}")
    }
}
