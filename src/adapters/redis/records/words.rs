//! Words that stand for variants of domain enums in JSON records.

use serde::{Deserialize, Serialize};

use crate::domain::model::actor::{Desired, FaultKind, ManagedBy, Readiness, RestartMode};
use crate::domain::model::event::{Severity, Source};
use crate::domain::model::health::{Health, HealthAction, PingOutcome, UnhealthyAction};
use crate::domain::model::scaling::ScalingMode;

/// Defines the words of a domain enum: the names of its variants in snake case. The conversions match exhaustively, so every
/// variant has a word.
macro_rules! wire_enum {
    ($word:ident for $value:ident { $($variant:ident),* $(,)? }) => {
        #[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub(super) enum $word { $($variant),* }

        #[cfg(test)]
        impl $word {
            const ALL: &[Self] = &[$(Self::$variant),*];
        }

        impl From<$value> for $word {
            fn from(value: $value) -> Self {
                match value { $($value::$variant => Self::$variant),* }
            }
        }

        impl From<$word> for $value {
            fn from(word: $word) -> Self {
                match word { $($word::$variant => Self::$variant),* }
            }
        }
    };
}

wire_enum!(DesiredWord for Desired { Up, Down });
wire_enum!(FaultWord for FaultKind { StartFailed, CrashLoop });
wire_enum!(HealthActionWord for HealthAction { None, Pinged, Restarted });
wire_enum!(HealthWord for Health { Healthy, Degraded, Unhealthy, Unknown });
wire_enum!(ManagedByWord for ManagedBy { User, Scaler });
wire_enum!(PingOutcomeWord for PingOutcome { Ok, TimedOut, Failed });
wire_enum!(ReadinessWord for Readiness { Queue, Process });
wire_enum!(RestartModeWord for RestartMode { Always, OnFailure, Never });
wire_enum!(ScalingModeWord for ScalingMode { Fixed, Auto });
wire_enum!(SeverityWord for Severity { Debug, Info, Warning, Error });
wire_enum!(SourceWord for Source { Caller, Health, Scaler, ProcessManager, Queue, Supervisor });
wire_enum!(UnhealthyActionWord for UnhealthyAction { Restart, ReportOnly });

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of an enum in JSON, each read back from its word and from its value.
    macro_rules! words {
        ($word:ident, $value:ident) => {{
            let words = $word::ALL.iter().map(|word| {
                assert_eq!($word::from($value::from(*word)), *word);
                let json = serde_json::to_string(word).unwrap();
                assert_eq!(serde_json::from_str::<$word>(&json).unwrap(), *word);
                json.trim_matches('"').to_owned()
            });
            words.collect::<Vec<String>>().join(" ")
        }};
    }

    #[test]
    fn records_keep_their_words() {
        assert_eq!(words!(DesiredWord, Desired), "up down");
        assert_eq!(words!(FaultWord, FaultKind), "start_failed crash_loop");
        assert_eq!(words!(HealthActionWord, HealthAction), "none pinged restarted");
        assert_eq!(words!(HealthWord, Health), "healthy degraded unhealthy unknown");
        assert_eq!(words!(ManagedByWord, ManagedBy), "user scaler");
        assert_eq!(words!(PingOutcomeWord, PingOutcome), "ok timed_out failed");
        assert_eq!(words!(ReadinessWord, Readiness), "queue process");
        assert_eq!(words!(RestartModeWord, RestartMode), "always on_failure never");
        assert_eq!(words!(ScalingModeWord, ScalingMode), "fixed auto");
        assert_eq!(words!(SeverityWord, Severity), "debug info warning error");
        assert_eq!(words!(SourceWord, Source), "caller health scaler process_manager queue supervisor");
        assert_eq!(words!(UnhealthyActionWord, UnhealthyAction), "restart report_only");
    }
}
