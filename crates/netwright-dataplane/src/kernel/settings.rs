//! Settings of a namespace under `/proc/sys/net`: written by a thread that is in it, and read back, since a write can succeed without effect.

use std::fs;
use std::io;

/// A setting of the namespace that the calling thread is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Setting {
    /// Its path under `/proc/sys/net`.
    pub(super) path: &'static str,
    /// Its value.
    pub(super) value: &'static str,
    /// Packets go wrong without it; another one is only a convenience, and old kernels lack it.
    pub(super) needed: bool,
}

const fn needed(path: &'static str, value: &'static str) -> Setting {
    Setting { path, value, needed: true }
}

const fn useful(path: &'static str, value: &'static str) -> Setting {
    Setting { path, value, needed: false }
}

/// What every namespace has. A packet may come in where no answer would go out, and from an address that is also held here: the plan's
/// rulesets decide about that, not the kernel. Nothing is sent that the plan does not know.
const ALWAYS: [Setting; 10] = [
    needed("ipv4/conf/all/rp_filter", "0"),
    needed("ipv4/conf/default/rp_filter", "0"),
    needed("ipv4/conf/all/accept_local", "1"),
    needed("ipv4/conf/all/send_redirects", "0"),
    needed("ipv4/conf/default/send_redirects", "0"),
    needed("ipv4/conf/all/accept_redirects", "0"),
    needed("ipv4/conf/default/accept_redirects", "0"),
    useful("ipv4/ip_nonlocal_bind", "1"),
    useful("ipv4/icmp_ratelimit", "0"),
    useful("ipv4/ping_group_range", "0\t0"),
];

const WITHOUT_V6: [Setting; 2] =
    [needed("ipv6/conf/all/disable_ipv6", "1"), needed("ipv6/conf/default/disable_ipv6", "1")];

const WITH_V6: [Setting; 11] = [
    needed("ipv6/conf/all/accept_dad", "0"),
    needed("ipv6/conf/default/accept_dad", "0"),
    needed("ipv6/conf/default/dad_transmits", "0"),
    needed("ipv6/conf/all/accept_ra", "0"),
    needed("ipv6/conf/default/accept_ra", "0"),
    needed("ipv6/conf/default/router_solicitations", "0"),
    needed("ipv6/conf/default/addr_gen_mode", "1"),
    needed("ipv6/conf/all/accept_redirects", "0"),
    needed("ipv6/conf/default/accept_redirects", "0"),
    useful("ipv6/ip_nonlocal_bind", "1"),
    useful("ipv6/icmp/ratelimit", "0"),
];

/// The settings of a namespace: before its links are made, since new links take the defaults.
pub(super) fn of(forwards: bool, v6: bool) -> Vec<Setting> {
    let forward = if forwards { "1" } else { "0" };
    // Forwarding comes first: it changes other settings.
    let mut settings = vec![needed("ipv4/ip_forward", forward)];
    if v6 {
        settings.push(needed("ipv6/conf/all/forwarding", forward));
        settings.extend(WITH_V6);
    } else {
        settings.extend(WITHOUT_V6);
    }
    settings.extend(ALWAYS);
    settings
}

/// Writes settings and reads them back. What did not take is told in words.
pub(super) fn write(settings: &[Setting]) -> Vec<String> {
    let mut wrong = Vec::new();
    for setting in settings {
        let path = format!("/proc/sys/net/{}", setting.path);
        // A machine without IPv6 at all has nothing to turn off.
        let absent = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        match fs::write(&path, setting.value) {
            Err(error)
                if setting.needed
                    && !(absent(&error)
                        && setting.value == "1"
                        && setting.path.ends_with("disable_ipv6")) =>
            {
                wrong.push(format!("{} cannot be set to {}: {error}", setting.path, setting.value));
            }
            Err(_) => {}
            Ok(()) if setting.needed => wrong.extend(read(setting)),
            Ok(()) => {}
        }
    }
    wrong
}

/// Says in words where a setting is not what it must be.
pub(super) fn read(setting: &Setting) -> Option<String> {
    let path = format!("/proc/sys/net/{}", setting.path);
    match fs::read_to_string(path) {
        Ok(value) if value.trim() == setting.value => None,
        Ok(value) => Some(format!("{} is {}, not {}", setting.path, value.trim(), setting.value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !setting.needed => None,
        Err(error) => Some(format!("{} cannot be read: {error}", setting.path)),
    }
}
