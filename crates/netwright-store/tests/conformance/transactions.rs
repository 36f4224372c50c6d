//! Transactions, ranges and revisions.

use netwright_store::{
    Compare, Error, Keys, MAX_KEY, MAX_OPS, MAX_REQUEST, Op, OpAnswer, Range, Relation, Revision,
    Store, Target, Txn,
};

use crate::{Passes, all, bytes, delete, every_engine, pairs, put, texts, write};

every_engine!(
    an_entry_has_the_revisions_of_its_making_and_of_its_last_change,
    what_changes_nothing_makes_no_revision,
    all_conditions_must_hold,
    operations_see_what_those_before_them_did,
    a_key_is_written_once_in_a_transaction,
    a_refused_transaction_changes_nothing,
    a_list_has_at_most_so_many_operations,
    what_is_too_large_is_refused,
    ranges_are_in_order_and_have_limits,
    a_range_may_be_read_as_it_was,
    what_is_forgotten_cannot_be_read,
    of_many_who_compare_one_succeeds,
);

async fn an_entry_has_the_revisions_of_its_making_and_of_its_last_change(
    store: impl Store,
    _time: impl Passes,
) {
    let first = write(&store, "t/a", "1").await;
    let second = write(&store, "t/a", "2").await;
    assert_eq!(second, first.next());
    let entry = all(&store).await.remove(0);
    assert_eq!((entry.created, entry.modified, entry.version), (first, second, 2));
    delete(&store, Keys::one("t/a")).await;
    let again = write(&store, "t/a", "3").await;
    let entry = all(&store).await.remove(0);
    assert_eq!((entry.created, entry.modified, entry.version), (again, again, 1));
}

async fn what_changes_nothing_makes_no_revision(store: impl Store, _time: impl Passes) {
    let before = write(&store, "t/a", "1").await;
    let read = Op::Get(Range::of(Keys::all()));
    let answer = store.txn(Txn::of(vec![Op::Delete(Keys::one("t/b")), read])).await.unwrap();
    assert_eq!(answer.revision, before);
    assert_eq!(answer.answers[0], OpAnswer::Deleted(0));
    assert_eq!(write(&store, "t/a", "1").await, before.next(), "the same value is a change");
}

async fn all_conditions_must_hold(store: impl Store, _time: impl Passes) {
    let at = write(&store, "t/a", "m").await;
    let compare = |is, target| Compare { key: bytes("t/a"), is, target };
    let there = [
        Compare::present(bytes("t/a")),
        Compare::absent(bytes("t/b")),
        Compare::unchanged(bytes("t/a"), at),
        compare(Relation::Equal, Target::Value(bytes("m"))),
        compare(Relation::NotEqual, Target::Value(bytes("n"))),
        compare(Relation::Less, Target::Value(bytes("n"))),
        compare(Relation::Greater, Target::Value(bytes("l"))),
        compare(Relation::Equal, Target::Version(1)),
        compare(Relation::Less, Target::Created(at.next())),
    ];
    let not = [
        Compare::absent(bytes("t/a")),
        Compare::present(bytes("t/b")),
        Compare::unchanged(bytes("t/a"), at.next()),
        compare(Relation::Equal, Target::Value(bytes("n"))),
        compare(Relation::Greater, Target::Modified(at)),
        Compare { key: bytes("t/b"), is: Relation::NotEqual, target: Target::Value(bytes("")) },
    ];
    let ask = async |compare: &[Compare]| {
        let txn = Txn { compare: compare.to_vec(), ..Txn::default() };
        store.txn(txn).await.unwrap().succeeded
    };
    assert!(ask(&there).await, "together");
    for compare in there {
        assert!(ask(std::slice::from_ref(&compare)).await, "{compare:?}");
    }
    for compare in not {
        assert!(!ask(&[Compare::present(bytes("t/a")), compare.clone()]).await, "{compare:?}");
    }
}

async fn operations_see_what_those_before_them_did(store: impl Store, _time: impl Passes) {
    write(&store, "t/a", "old").await;
    let read = || Op::Get(Range::of(Keys::prefix("t/")));
    let answer = store
        .txn(Txn::of(vec![read(), put("t/b", "new"), Op::Delete(Keys::one("t/a")), read()]))
        .await
        .unwrap();
    let found: Vec<_> = answer
        .answers
        .iter()
        .filter_map(|answer| match answer {
            OpAnswer::Got(found) => Some(texts(&found.entries)),
            _ => None,
        })
        .collect();
    assert_eq!(found, [pairs(&[("t/a", "old")]), pairs(&[("t/b", "new")])]);
    assert_eq!(answer.answers[2], OpAnswer::Deleted(1));
    let entry = all(&store).await.remove(0);
    assert_eq!(entry.modified, answer.revision, "one revision for all");
}

async fn a_key_is_written_once_in_a_transaction(store: impl Store, _time: impl Passes) {
    for ops in [
        vec![put("t/a", "1"), put("t/a", "2")],
        vec![put("t/a", "1"), Op::Delete(Keys::one("t/a"))],
        vec![Op::Delete(Keys::prefix("t/")), put("t/a", "1")],
    ] {
        let refused = store.txn(Txn::of(ops)).await.unwrap_err();
        assert_eq!(refused, Error::DuplicateKey("t/a".to_owned()));
    }
    // The lists are alternatives.
    let txn = Txn {
        compare: vec![],
        then: vec![put("t/a", "1")],
        otherwise: vec![Op::Delete(Keys::one("t/a"))],
    };
    assert!(store.txn(txn).await.unwrap().succeeded);
}

async fn a_refused_transaction_changes_nothing(store: impl Store, _time: impl Passes) {
    let at = write(&store, "t/a", "1").await;
    let lease = netwright_store::LeaseId(0x7fff_0000_0000_0001);
    let held = Op::Put { key: bytes("t/c"), value: bytes("1"), lease: Some(lease) };
    let refused = store.txn(Txn::of(vec![put("t/b", "1"), held])).await.unwrap_err();
    assert_eq!(refused, Error::NoLease(lease));
    assert_eq!(texts(&all(&store).await), pairs(&[("t/a", "1")]));
    assert_eq!(store.status().await.unwrap().revision, at);
}

async fn a_list_has_at_most_so_many_operations(store: impl Store, _time: impl Passes) {
    let ops = |count| (0..count).map(|n| put(&format!("t/{n:04}"), "x")).collect::<Vec<_>>();
    store.txn(Txn::of(ops(MAX_OPS))).await.unwrap();
    assert_eq!(all(&store).await.len(), MAX_OPS);
    let refused = store.txn(Txn::of(ops(MAX_OPS + 1))).await.unwrap_err();
    assert_eq!(refused, Error::TooManyOperations { given: MAX_OPS + 1, most: MAX_OPS });
    let conditions = vec![Compare::present(bytes("t/0000")); MAX_OPS + 1];
    let txn = Txn { compare: conditions, ..Txn::default() };
    assert!(matches!(store.txn(txn).await, Err(Error::TooManyOperations { .. })));
}

async fn what_is_too_large_is_refused(store: impl Store, _time: impl Passes) {
    let large = "x".repeat(MAX_REQUEST);
    let long = "k".repeat(MAX_KEY + 1);
    for op in [put("t/a", &large), put(&long, "x"), put("", "x")] {
        let refused = store.txn(Txn::of(vec![op])).await.unwrap_err();
        assert!(matches!(refused, Error::Size { .. }), "{refused}");
    }
    let fits = "x".repeat(MAX_REQUEST - 3);
    write(&store, "t/a", &fits).await;
    assert_eq!(all(&store).await[0].value.len(), fits.len());
}

async fn ranges_are_in_order_and_have_limits(store: impl Store, _time: impl Passes) {
    for key in ["t/b", "t/a/2", "t/a", "t/a0", "t/c"] {
        write(&store, key, key).await;
    }
    let read = async |range: Range| {
        let found = store.range(range).await.unwrap();
        let keys: Vec<String> = texts(&found.entries).into_iter().map(|(key, _)| key).collect();
        (keys.join(" "), found.more)
    };
    let expect = |keys: &str, more| (keys.to_owned(), more);
    let all = Range::of(Keys::all());
    assert_eq!(read(all.clone()).await, expect("t/a t/a/2 t/a0 t/b t/c", false));
    assert_eq!(read(all.clone().limit(2)).await, expect("t/a t/a/2", true));
    assert_eq!(read(all.limit(5)).await, expect("t/a t/a/2 t/a0 t/b t/c", false));
    assert_eq!(read(Range::of(Keys::prefix("t/a/"))).await, expect("t/a/2", false));
    assert_eq!(read(Range::of(Keys::one("t/a"))).await, expect("t/a", false));
    assert_eq!(read(Range::of(Keys::From(bytes("t/a1")))).await, expect("t/b t/c", false));
    let between = Keys::Between(bytes("t/a0"), bytes("t/c"));
    assert_eq!(read(Range::of(between)).await, expect("t/a0 t/b", false));
}

async fn a_range_may_be_read_as_it_was(store: impl Store, _time: impl Passes) {
    let mut past = Vec::new();
    for (key, value) in [("t/b", "1"), ("t/a", "1"), ("t/b", "2"), ("t/c", "1")] {
        let at = write(&store, key, value).await;
        past.push((at, all(&store).await));
    }
    let at = delete(&store, Keys::prefix("t/b")).await;
    past.push((at, all(&store).await));
    let at = write(&store, "t/b", "3").await;
    past.push((at, all(&store).await));
    for (at, was) in past {
        let found = store.range(Range::of(Keys::all()).at(at)).await.unwrap();
        assert_eq!(found.entries, was, "at {at}");
    }
    let newest = store.status().await.unwrap().revision;
    let refused = store.range(Range::of(Keys::all()).at(newest.next())).await.unwrap_err();
    assert!(matches!(refused, Error::Future { .. }), "{refused}");
}

async fn what_is_forgotten_cannot_be_read(store: impl Store, _time: impl Passes) {
    let first = write(&store, "t/a", "1").await;
    let second = write(&store, "t/a", "2").await;
    let third = write(&store, "t/a", "3").await;
    store.compact(second).await.unwrap();
    let at = async |at| {
        let found = store.range(Range::of(Keys::all()).at(at)).await;
        found.map(|found| texts(&found.entries))
    };
    assert!(matches!(at(first).await, Err(Error::Compacted { .. })));
    assert_eq!(at(second).await.unwrap(), pairs(&[("t/a", "2")]));
    assert_eq!(at(third).await.unwrap(), pairs(&[("t/a", "3")]));
    assert!(matches!(store.compact(first).await, Err(Error::Compacted { .. })));
    assert!(matches!(store.compact(Revision(1 << 40)).await, Err(Error::Future { .. })));
}

async fn of_many_who_compare_one_succeeds(store: impl Store, _time: impl Passes) {
    let tries: Vec<_> = (0..32)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                let txn = Txn {
                    compare: vec![Compare::absent(bytes("t/one"))],
                    then: vec![put("t/one", &n.to_string())],
                    otherwise: vec![],
                };
                store.txn(txn).await.unwrap().succeeded
            })
        })
        .collect();
    let mut won = 0;
    for attempt in tries {
        won += u32::from(attempt.await.unwrap());
    }
    assert_eq!(won, 1);
}
