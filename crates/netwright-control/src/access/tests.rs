use std::sync::Arc;
use std::time::Duration;

use netwright_store::Monotonic;
use netwright_store::memory::Memory;

use super::{Access, Error, New, Refusal, Role, Time};
use crate::guard::Guard;
use crate::keys::Layout;

const NOW: Time = Time::of_milliseconds(1_000_000);
const DAY: Duration = Duration::from_secs(86_400);

fn memory() -> Memory {
    Memory::new(Arc::new(Monotonic::default()))
}

fn new(lasts: Option<Duration>) -> New {
    New { name: "ci".to_owned(), role: Role::Operator, lasts }
}

#[tokio::test]
async fn a_key_opens_and_its_secret_is_nowhere_in_the_store() {
    let (store, layout) = (memory(), Layout::default());
    let access = Access { store: &store, layout: &layout, guard: None };
    let issued = access.create(&new(None), NOW).await.unwrap();
    let table = access.table().await.unwrap();
    let (id, record) = table.admit(&issued.key, NOW).unwrap();
    assert_eq!((id, record.role), (issued.id.as_str(), Role::Operator));
    let secret = issued.key.rsplit('_').next().unwrap();
    assert!(!serde_json::to_string(&issued.record).unwrap().contains(secret));
}

#[tokio::test]
async fn wrong_secrets_ids_and_forms_are_refused() {
    let (store, layout) = (memory(), Layout::default());
    let access = Access { store: &store, layout: &layout, guard: None };
    let issued = access.create(&new(None), NOW).await.unwrap();
    let table = access.table().await.unwrap();
    let wrong = format!("nw_{}_{}", issued.id, "0".repeat(64));
    assert_eq!(table.admit(&wrong, NOW).unwrap_err(), Refusal::Unknown);
    let other = issued.key.replace(&issued.id, "000000000000");
    assert_eq!(table.admit(&other, NOW).unwrap_err(), Refusal::Unknown);
    for form in ["", "nw_", "nw__", "x", &issued.key[..issued.key.len() - 1], "nw_../../x_y"] {
        assert_eq!(table.admit(form, NOW).unwrap_err(), Refusal::Form, "{form}");
    }
}

#[tokio::test]
async fn a_key_ends_at_its_time_and_when_it_is_revoked() {
    let (store, layout) = (memory(), Layout::default());
    let access = Access { store: &store, layout: &layout, guard: None };
    let issued = access.create(&new(Some(DAY)), NOW).await.unwrap();
    let table = access.table().await.unwrap();
    let last = Time::of_milliseconds(NOW.after(DAY).milliseconds() - 1);
    assert!(table.admit(&issued.key, last).is_ok());
    assert_eq!(table.admit(&issued.key, NOW.after(DAY)).unwrap_err(), Refusal::Expired);
    access.revoke(&issued.id, NOW).await.unwrap();
    let table = access.table().await.unwrap();
    assert_eq!(table.admit(&issued.key, NOW).unwrap_err(), Refusal::Revoked);
    assert!(!table.any(NOW));
}

#[tokio::test]
async fn while_a_key_is_rotated_two_secrets_hold_and_never_three() {
    let (store, layout) = (memory(), Layout::default());
    let access = Access { store: &store, layout: &layout, guard: None };
    let first = access.create(&new(None), NOW).await.unwrap();
    let second = access.rotate(&first.id, DAY, NOW).await.unwrap();
    let table = access.table().await.unwrap();
    assert!(table.admit(&first.key, NOW).is_ok() && table.admit(&second.key, NOW).is_ok());
    assert_eq!(table.admit(&first.key, NOW.after(DAY)).unwrap_err(), Refusal::Expired);
    let third = access.rotate(&first.id, DAY, NOW).await.unwrap();
    let table = access.table().await.unwrap();
    assert_eq!(table.admit(&first.key, NOW).unwrap_err(), Refusal::Unknown);
    assert!(table.admit(&second.key, NOW).is_ok() && table.admit(&third.key, NOW).is_ok());
}

#[tokio::test]
async fn a_server_that_no_longer_leads_makes_no_key() {
    let (store, layout) = (memory(), Layout::default());
    let guard = Guard::of(&layout, 7);
    let access = Access { store: &store, layout: &layout, guard: Some(&guard) };
    assert!(matches!(access.create(&new(None), NOW).await, Err(Error::Changed(_))));
}

#[tokio::test]
async fn what_is_no_id_is_no_key() {
    let (store, layout) = (memory(), Layout::default());
    let access = Access { store: &store, layout: &layout, guard: None };
    for id in ["", "../epoch", "zz", "000000000000"] {
        assert!(matches!(access.revoke(id, NOW).await, Err(Error::NoKey(_))), "{id}");
    }
}
