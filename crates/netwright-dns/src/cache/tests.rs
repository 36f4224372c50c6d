//! What is remembered, and for how long.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::{Cache, ENTRIES, Kept};

fn said(ttl: u32) -> Kept {
    let record = Record::from_rdata(Name::root(), ttl, RData::A(A::new(10, 0, 0, 1)));
    Kept::Said(ResponseCode::NoError, vec![record], Vec::new())
}

#[test]
fn what_would_be_forgotten_first_makes_place() {
    let mut cache = Cache::default();
    let name = |number: usize| number.to_be_bytes().to_vec();
    for number in 0..ENTRIES {
        let ttl = u32::try_from(number).unwrap() + 10;
        cache.put(name(number), RecordType::A, said(ttl), 0);
    }
    cache.put(name(ENTRIES), RecordType::A, said(5), 0);
    assert_eq!(cache.len(), ENTRIES);
    assert!(cache.get(&name(0), RecordType::A, 0).is_none());
    assert!(cache.get(&name(1), RecordType::A, 0).is_some());
    assert!(cache.get(&name(ENTRIES), RecordType::A, 0).is_some());
    // Said again, it takes no second place.
    cache.put(name(1), RecordType::A, said(100), 0);
    assert_eq!((cache.len(), cache.ends.len()), (ENTRIES, ENTRIES));
}

#[test]
fn nothing_is_remembered_longer_than_a_day_and_what_lasts_no_time_not_at_all() {
    let mut cache = Cache::default();
    let (name, a) = (vec![1, b'x'], RecordType::A);
    cache.put(name.clone(), a, said(0), 0);
    assert_eq!(cache.len(), 0);
    cache.put(name.clone(), a, said(u32::MAX), 0);
    assert!(cache.get(&name, a, 86_399_999).is_some());
    assert!(cache.get(&name, a, 86_400_000).is_none());
}
