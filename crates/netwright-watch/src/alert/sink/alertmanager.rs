//! Notifications as Alertmanager's API takes them, version 2: `POST /api/v2/alerts`.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::alert::desk::Notification;
use crate::alert::engine::{Alert, Status};

/// The alerts of a notification: a list of labels, which tell them apart, and annotations, which are for people.
#[must_use]
pub fn document(notification: &Notification, moments: &dyn Fn(Duration) -> String) -> Value {
    let at = notification.at;
    Value::Array(notification.alerts.iter().map(|alert| one(alert, at, moments)).collect())
}

fn one(alert: &Alert, at: Duration, moments: &dyn Fn(Duration) -> String) -> Value {
    // Labels that change would make another alert of it: neither values nor domains are among them.
    let labels = json!({
        "alertname": alert.rule,
        "component": alert.component,
        "severity": alert.level.as_str().to_lowercase(),
        "thing": alert.thing,
    });
    let mut annotations = Map::new();
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            annotations.insert(name.to_owned(), json!(value));
        }
    };
    add("summary", Some(alert.message.clone()));
    add("remediation", alert.guidance.remediation.clone());
    add("escalation", alert.guidance.escalation.clone());
    add("runbook_url", alert.guidance.runbook.clone());
    add("issue_reference", alert.guidance.issue_reference.clone());
    add("fault_domain", alert.guidance.fault_domain.map(|fault| fault.to_string()));
    add("changes", (!alert.changes.is_empty()).then(|| alert.changes.join("; ")));
    let mut value = json!({
        "labels": labels,
        "annotations": annotations,
        "startsAt": moments(alert.began),
    });
    if alert.status == Status::Resolved {
        value["endsAt"] = json!(moments(at));
    }
    value
}
