//! A dashboard for Grafana.

use serde_json::{Value, json};

use super::JOB;

/// A picture of a dashboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Panel {
    /// What it shows.
    pub title: &'static str,
    /// How: one of Grafana's kinds of panels.
    pub kind: &'static str,
    /// What is asked, and what each line is called.
    pub queries: &'static [(&'static str, &'static str)],
    /// The unit of its numbers, in Grafana's words.
    pub unit: &'static str,
}

/// All of them, two in a row.
#[must_use]
pub const fn panels() -> &'static [Panel] {
    PANELS
}

const PANELS: &[Panel] = &[
    Panel {
        title: "Components by state",
        kind: "timeseries",
        queries: &[("netwright_watch_components", "{{state}}")],
        unit: "short",
    },
    Panel {
        title: "Alerts that fire",
        kind: "table",
        queries: &[
            ("netwright_alerts_firing", "{{rule}} {{component}}"),
            ("ALERTS{alertstate=\"firing\"}", "{{alertname}}"),
        ],
        unit: "short",
    },
    Panel {
        title: "State of each component",
        kind: "state-timeline",
        queries: &[(
            "netwright_component_state == 1",
            "{{component}} {{netwright_component_state}}",
        )],
        unit: "short",
    },
    Panel {
        title: "Probes that fail, or say nothing",
        kind: "timeseries",
        queries: &[
            ("count by (probe) (probe_success{job=\"netwright-probes\"} == 0)", "{{probe}} fails"),
            ("netwright_probe_unknown{job=\"netwright-probes\"} == 1", "{{probe}} unknown"),
        ],
        unit: "short",
    },
    Panel {
        title: "How long probes take, by phase",
        kind: "timeseries",
        queries: &[(
            "netwright_probe_phase_seconds{job=\"netwright-probes\"}",
            "{{probe}} {{phase}}",
        )],
        unit: "s",
    },
    Panel {
        title: "Share of probes that fail",
        kind: "timeseries",
        queries: &[("netwright_component_failure_ratio", "{{component}}")],
        unit: "percentunit",
    },
    Panel {
        title: "How full things are",
        kind: "timeseries",
        queries: &[(
            "netwright_component_measure{measure=~\".*utilisation\"}",
            "{{component}} {{measure}}",
        )],
        unit: "percentunit",
    },
    Panel {
        title: "When they are full, as they grow now",
        kind: "timeseries",
        queries: &[(
            "(1 - netwright_component_measure{measure=~\".*utilisation\"}) / (deriv(netwright_component_measure{measure=~\".*utilisation\"}[1h]) > 0)",
            "{{component}} {{measure}}",
        )],
        unit: "s",
    },
    Panel {
        title: "Days until certificates end",
        kind: "timeseries",
        queries: &[(
            "(probe_ssl_earliest_cert_expiry{job=\"netwright-probes\"} - time()) / 86400",
            "{{probe}}",
        )],
        unit: "d",
    },
    Panel {
        title: "States that change to and fro",
        kind: "timeseries",
        queries: &[("netwright_component_flap_score_ratio", "{{component}}")],
        unit: "percentunit",
    },
];

/// The dashboard of a network, as Grafana imports it. It asks which of the data sources is Prometheus.
#[must_use]
pub fn dashboard(network: &str) -> Value {
    let panels: Vec<Value> = (0_u64..).zip(PANELS).map(|(at, panel)| one(at, panel)).collect();
    json!({
        "title": format!("Netwright: {network}"),
        "uid": null,
        "tags": ["netwright", JOB],
        "timezone": "utc",
        "schemaVersion": 38,
        "refresh": "10s",
        "time": { "from": "now-1h", "to": "now" },
        "templating": { "list": [{
            "name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus", "current": {}, "hide": 0,
        }]},
        "annotations": { "list": [] },
        "panels": panels,
    })
}

fn one(at: u64, panel: &Panel) -> Value {
    let targets =
        panel.queries.iter().zip("ABCDEFGH".chars()).map(|((expression, legend), name)| {
            json!({
                "refId": name.to_string(),
                "expr": expression,
                "legendFormat": legend,
                "datasource": { "type": "prometheus", "uid": "${source}" },
                "instant": panel.kind == "table",
                "format": if panel.kind == "table" { "table" } else { "time_series" },
            })
        });
    json!({
        "id": at + 1,
        "title": panel.title,
        "type": panel.kind,
        "datasource": { "type": "prometheus", "uid": "${source}" },
        "gridPos": { "x": (at % 2) * 12, "y": (at / 2) * 8, "w": 12, "h": 8 },
        "fieldConfig": { "defaults": { "unit": panel.unit, "min": if panel.kind == "timeseries" { json!(0) } else { Value::Null } }, "overrides": [] },
        "targets": targets.collect::<Vec<_>>(),
    })
}
