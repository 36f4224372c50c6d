use super::*;

fn outcome(verdict: Verdict) -> Outcome {
    Outcome {
        took: Duration::from_millis(30),
        phases: vec![
            Phase { name: PhaseName::Connect, took: Duration::from_millis(10) },
            Phase { name: PhaseName::FirstOctet, took: Duration::from_millis(5) },
            Phase { name: PhaseName::Connect, took: Duration::from_millis(7) },
        ],
        source: Some(Source { address: [10, 0, 0, 1].into(), seen_by_peer: true }),
        peer: Some("10.0.0.2:80".parse().unwrap()),
        ..Outcome::bare(verdict, "2026-01-02T03:04:05Z".parse().unwrap(), 2)
    }
}

#[test]
fn an_outcome_survives_its_text_form() {
    let chain = vec!["a.example".to_owned(), "b.example".to_owned(), "a.example".to_owned()];
    let verdicts = [
        Verdict::Passed,
        Verdict::unknown("no socket left on this machine"),
        Verdict::failed(Kind::NameLoop { chain }, "a.example leads to itself"),
        Verdict::failed(Kind::TimedOut { phase: PhaseName::Tls }, "no handshake within 1 s"),
    ];
    for verdict in verdicts {
        let outcome = outcome(verdict);
        let text = serde_json::to_string(&outcome).unwrap();
        assert_eq!(serde_json::from_str::<Outcome>(&text).unwrap(), outcome, "{text}");
    }
}

#[test]
fn a_phase_that_was_gone_through_twice_is_summed() {
    let outcome = outcome(Verdict::Passed);
    assert_eq!(outcome.phase(PhaseName::Connect), Some(Duration::from_millis(17)));
    assert_eq!(outcome.phase(PhaseName::Tls), None);
}
