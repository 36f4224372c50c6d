//! Name servers that answer, lie, loop and fail.

use tokio::net::UdpSocket;

use super::*;

/// What a server makes of a question: the octets of answers.
type Says = fn(&[u8]) -> Vec<Vec<u8>>;

async fn server(says: Says) -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut octets = [0; 2_048];
        while let Ok((read, from)) = socket.recv_from(&mut octets).await {
            for answer in says(&octets[..read]) {
                let _gone = socket.send_to(&answer, from).await;
            }
        }
    });
    address
}

/// The name that is asked for, and where the question ends.
fn asked(question: &[u8]) -> (String, usize) {
    let (mut labels, mut at) = (Vec::new(), 12);
    while question[at] != 0 {
        let length = usize::from(question[at]);
        labels.push(String::from_utf8_lossy(&question[at + 1..at + 1 + length]).into_owned());
        at += 1 + length;
    }
    (labels.join("."), at + 5)
}

/// An answer with a code and records: types and data, each of the name that was asked for.
fn answer(question: &[u8], code: u8, records: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let (_, end) = asked(question);
    let mut octets = question[..end].to_vec();
    octets[2] = 0x81;
    octets[3] = 0x80 | code;
    octets[6..12].copy_from_slice(&[0, u8::try_from(records.len()).unwrap(), 0, 0, 0, 0]);
    for (kind, data) in records {
        octets.extend_from_slice(&[0xC0, 12]);
        octets.extend_from_slice(&kind.to_be_bytes());
        octets.extend_from_slice(&[0, 1, 0, 0, 0, 60]);
        octets.extend_from_slice(&u16::try_from(data.len()).unwrap().to_be_bytes());
        octets.extend_from_slice(data);
    }
    octets
}

fn name(text: &str) -> Vec<u8> {
    let labels = text.split('.').flat_map(|label| {
        std::iter::once(u8::try_from(label.len()).unwrap())
            .chain(label.bytes())
            .collect::<Vec<u8>>()
    });
    labels.chain([0]).collect()
}

const A: u16 = 1;
const CNAME: u16 = 5;

fn tells(question: &[u8]) -> Vec<Vec<u8>> {
    let (asked, _) = asked(question);
    let one = match asked.as_str() {
        "good.test" => answer(question, 0, &[(A, vec![10, 0, 0, 7])]),
        "alias.test" => answer(question, 0, &[(CNAME, name("good.test"))]),
        "round.test" => answer(question, 0, &[(CNAME, name("and.test"))]),
        "and.test" => answer(question, 0, &[(CNAME, name("round.test"))]),
        "refused.test" => answer(question, 5, &[]),
        "broken.test" => answer(question, 2, &[]),
        "empty.test" => answer(question, 0, &[]),
        "silent.test" => return Vec::new(),
        "liar.test" => {
            let mut other = answer(question, 0, &[(A, vec![6, 6, 6, 6])]);
            other[0] ^= 0xFF;
            let mut another = answer(question, 0, &[(A, vec![6, 6, 6, 6])]);
            another[13] ^= 1;
            return vec![other, another, vec![1, 2, 3], question.to_vec()];
        }
        "late.test" => {
            let mut lie = answer(question, 0, &[(A, vec![6, 6, 6, 6])]);
            lie[1] ^= 0xFF;
            return vec![lie, answer(question, 0, &[(A, vec![10, 0, 0, 8])])];
        }
        deep if deep.starts_with('d') && deep.ends_with(".deep.test") => {
            let number: u32 = deep[1..].split('.').next().unwrap().parse().unwrap();
            answer(question, 0, &[(CNAME, name(&format!("d{}.deep.test", number + 1)))])
        }
        _ => answer(question, 3, &[]),
    };
    vec![one]
}

async fn told(server: SocketAddr, name: &str) -> Outcome {
    let spec =
        Spec { timeout: Duration::from_millis(800), ..spec(&format!("dns://{name}@{server}")) };
    prober(Vec::new()).ask(&spec, 1).await
}

#[tokio::test]
async fn names_are_followed_hop_by_hop_and_what_is_wrong_is_told_apart() {
    let server = server(tells).await;
    let outcome = told(server, "alias.test").await;
    assert!(outcome.passed(), "{outcome:?}");
    assert_eq!(outcome.seen.names, ["alias.test", "good.test", "10.0.0.7"]);
    let cases = [
        ("refused.test", "name_server_refused"),
        ("broken.test", "name_server_failed"),
        ("empty.test", "name_without_records"),
        ("nothing.test", "name_not_found"),
        ("silent.test", "query_timed_out"),
        ("liar.test", "name_answer_wrong"),
        ("d0.deep.test", "name_too_deep"),
        ("round.test", "name_loop"),
    ];
    for (name, kind) in cases {
        let outcome = told(server, name).await;
        let found = outcome.failure().map(|failure| failure.kind.name());
        let silent = name == "silent.test" && found == Some("name_server_silent");
        assert!(found == Some(kind) || silent, "{name}: {outcome:?}");
    }
    let Some(Kind::NameLoop { chain }) =
        told(server, "round.test").await.failure().map(|failure| failure.kind.clone())
    else {
        panic!("a loop");
    };
    assert_eq!(chain, ["round.test", "and.test", "round.test"]);
}

#[tokio::test]
async fn an_answer_to_another_question_is_passed_over_and_the_true_one_is_taken() {
    let server = server(tells).await;
    let outcome = told(server, "late.test").await;
    assert!(outcome.passed(), "{outcome:?}");
    assert_eq!(outcome.seen.names, ["late.test", "10.0.0.8"]);
}

#[tokio::test]
async fn a_target_by_name_times_its_name_apart_and_blames_the_name_server() {
    let server = server(|question| {
        let (asked, _) = asked(question);
        let one = match asked.as_str() {
            "here.test" => answer(question, 0, &[(A, vec![127, 0, 0, 1])]),
            _ => answer(question, 3, &[]),
        };
        vec![one]
    })
    .await;
    let open = says("").await;
    let outcome =
        prober(vec![server]).ask(&spec(&format!("tcp://here.test:{}", open.port())), 1).await;
    assert!(outcome.passed(), "{outcome:?}");
    let phases: Vec<PhaseName> = outcome.phases.iter().map(|phase| phase.name).collect();
    assert_eq!(phases, [PhaseName::Name, PhaseName::Connect]);
    let outcome = prober(vec![server]).ask(&spec("tcp://gone.test:80"), 1).await;
    assert_eq!(outcome.failure().unwrap().kind, Kind::NameNotFound);
    let closed = nobody().await;
    let outcome = prober(vec![closed]).ask(&spec("tcp://gone.test:80"), 1).await;
    assert_eq!(outcome.failure().unwrap().kind, Kind::NameServerUnreachable);
}
