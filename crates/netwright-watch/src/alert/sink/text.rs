//! Notifications as lines for people, and as JSON.

use std::time::Duration;

use serde_json::{Value, json};

use crate::alert::desk::Notification;
use crate::alert::engine::{Alert, Status};

/// An alert in one line.
#[must_use]
pub fn one_line(alert: &Alert) -> String {
    let word = match alert.status {
        Status::Firing => alert.level.as_str(),
        Status::Resolved => "RESOLVED",
    };
    let mut line = format!("{word} {}: {}", alert.component, alert.message);
    if alert.status == Status::Resolved {
        return line;
    }
    if let Some(fault) = alert.guidance.fault_domain {
        line += &format!(" [{fault}]");
    }
    for change in &alert.changes {
        line += &format!("; {change}");
    }
    if let Some(remediation) = &alert.guidance.remediation {
        line += &format!(". {remediation}");
    }
    let more = [
        ("next", &alert.guidance.escalation),
        ("see", &alert.guidance.runbook),
        ("issue", &alert.guidance.issue_reference),
    ];
    for (word, value) in more {
        if let Some(value) = value {
            line += &format!(" ({word}: {value})");
        }
    }
    line
}

/// A notification as lines, one for each alert.
#[must_use]
pub fn lines(notification: &Notification) -> Vec<String> {
    notification.alerts.iter().map(one_line).collect()
}

/// A notification as a webhook gets it.
pub(super) fn document(notification: &Notification, moments: &dyn Fn(Duration) -> String) -> Value {
    let alert = |alert: &Alert| {
        let mut value = json!(alert);
        value["began"] = json!(moments(alert.began));
        value
    };
    json!({
        "version": 1,
        "component": notification.component,
        "level": notification.level,
        "at": moments(notification.at),
        "repeated": notification.repeated,
        "alerts": notification.alerts.iter().map(alert).collect::<Vec<_>>(),
    })
}
