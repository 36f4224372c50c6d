use super::{Domain, of_failure, of_kind, of_log, of_text};
use crate::probe::outcome::{Failure, Kind, PhaseName};

const DATABASE: &str = "Database connection validation timeout exceeded (15s). This may indicate network connectivity issues or database overload.";
const MODULE: &str = "ModuleNotFoundError: No module named 'auth_service'";

#[test]
fn the_message_of_the_incident_is_infrastructure_although_its_words_do_not_stand_together() {
    // What the original looked for, and why it never found it.
    assert!(!DATABASE.to_lowercase().contains("database timeout"));
    assert_eq!(of_text(DATABASE), Domain::Infrastructure);
    assert_eq!(of_text(&DATABASE.to_uppercase()), Domain::Infrastructure);
}

#[test]
fn a_module_that_is_missing_is_the_programs_fault_whatever_the_network_does() {
    assert_eq!(of_text(MODULE), Domain::Application);
    // Two faults, of which neither is the other's cause.
    assert_eq!(of_log(&format!("{DATABASE}\n{MODULE}\n")), Domain::Both);
}

#[test]
fn a_text_that_says_nothing_is_unknown() {
    // `str(TimeoutError())` is empty.
    for text in ["", " ", "Traceback (most recent call last):", "error", "\u{221a}\u{e9}\u{fffd}"] {
        assert_eq!(of_text(text), Domain::Unknown, "{text}");
    }
}

#[test]
fn texts_of_the_sources_are_placed() {
    use Domain::{Application, Configuration, Infrastructure};
    for (text, domain) in [
        ("NameError: name 'datetime' is not defined", Application),
        (
            "AttributeError: 'InfrastructureHealthMonitor' object has no attribute 'get_comprehensive_status'",
            Application,
        ),
        (
            "sqlalchemy.exc.ObjectNotExecutableError: Not an executable object: 'SELECT 1'",
            Application,
        ),
        ("TypeError: connect() got an unexpected keyword argument 'connect_timeout'", Application),
        ("invalid dsn: invalid connection option \"server_settings\"", Configuration),
        ("FATAL: password authentication failed for user \"netra\"", Configuration),
        (
            "FATAL: remaining connection slots are reserved for roles with the SUPERUSER attribute",
            Infrastructure,
        ),
        ("FATAL: sorry, too many clients already", Infrastructure),
        ("VPC connector cannot reach Cloud SQL", Infrastructure),
        ("VPC Connector `staging-connector` connectivity failure", Infrastructure),
        ("connection to server at \"10.0.0.3\", port 5432 failed: timeout expired", Infrastructure),
        ("upstream request timeout", Infrastructure),
        ("connect ECONNREFUSED: Connection refused", Application),
    ] {
        assert_eq!(of_text(text), domain, "{text}");
    }
}

#[test]
fn the_kind_decides_and_the_text_only_where_the_kind_leaves_it_open() {
    let failure = |kind, text: &str| Failure { kind, text: text.to_owned() };
    let late = failure(Kind::ConnectTimedOut, MODULE);
    assert_eq!(of_failure(&late), Domain::Infrastructure, "not what the text says");
    let slow = failure(Kind::TooSlow, DATABASE);
    assert_eq!(of_failure(&slow), Domain::Infrastructure);
    assert_eq!(of_failure(&failure(Kind::TooSlow, "")), Domain::Unknown);
}

#[test]
fn kinds_are_placed_by_who_can_mend_them() {
    use Domain::{Application, Configuration, Infrastructure, Unknown};
    for (kind, domain) in [
        (Kind::NameLoop { chain: Vec::new() }, Configuration),
        (Kind::NameServerSilent, Infrastructure),
        (Kind::ConnectTimedOut, Infrastructure),
        (Kind::ConnectionRefused, Application),
        (Kind::ConnectionReset, Unknown),
        (Kind::TimedOut { phase: PhaseName::FirstOctet }, Application),
        (Kind::TimedOut { phase: PhaseName::Tls }, Unknown),
        (Kind::TlsExpired, Configuration),
        (Kind::TlsWrongName, Configuration),
        (Kind::HttpStatus { status: 500 }, Application),
        (Kind::HttpStatus { status: 502 }, Infrastructure),
        (Kind::HttpStatus { status: 503 }, Unknown),
        (Kind::DatabaseAuthentication, Configuration),
        (Kind::DatabaseTooManyConnections, Infrastructure),
        (Kind::BlackHole { passes: 1400, lost: 1401 }, Infrastructure),
    ] {
        assert_eq!(of_kind(&kind), domain, "{kind}");
    }
}

#[test]
fn faults_together_are_both_where_the_infrastructure_is_one_of_them() {
    use Domain::{Application, Both, Configuration, Infrastructure, Unknown};
    let all = [Infrastructure, Application, Configuration, Both, Unknown];
    for a in all {
        assert_eq!(a.and(a), a);
        assert_eq!(a.and(Unknown), a, "what is unknown hides nothing");
        for b in all {
            assert_eq!(a.and(b), b.and(a));
        }
    }
    assert_eq!(Infrastructure.and(Application), Both);
    assert_eq!(Configuration.and(Application), Configuration);
}

#[test]
fn a_log_of_any_octets_is_read() {
    let long = format!("{}\n{MODULE}", "é".repeat(100_000));
    assert_eq!(of_log(&long), Domain::Application);
    assert_eq!(
        of_log(&String::from_utf8_lossy(&[0xf0, 0x28, 0x8c, 0xbc, b'\n', 0xff])),
        Domain::Unknown
    );
}
