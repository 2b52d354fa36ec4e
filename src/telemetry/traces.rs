//! Traces: one span for each call and for each attempt of a job, sent to an OpenTelemetry collector.
//!
//! The spans are joined by the W3C trace context (`traceparent`, <https://www.w3.org/TR/trace-context/>). The context
//! comes with a call, is stored with the job, and reaches the script as `TRACEPARENT`. Without a collector the
//! context of the caller is passed on unchanged.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, Span};

/// Name of the header; environment variables are in capitals.
pub const TRACEPARENT: &str = "traceparent";
/// Environment variable of the trace context in scripts.
pub const TRACEPARENT_VARIABLE: &str = "TRACEPARENT";
/// Limit of one export; a batch that takes longer is dropped.
const EXPORT_LIMIT: Duration = Duration::from_secs(5);

static EXPORT: OnceLock<Export> = OnceLock::new();

struct Export {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

/// Starts to send spans to the collector at `endpoint` (`http://HOST:4317`, OTLP over gRPC) under the name `service`.
/// Call it within a runtime. Later calls in the process change nothing.
///
/// # Errors
/// An endpoint that is no URL. An unreachable collector is no error: its spans are dropped.
pub fn start(endpoint: &str, service: &'static str, instance: &str) -> Result<(), ExporterBuildError> {
    let exporter =
        SpanExporter::builder().with_tonic().with_endpoint(endpoint).with_timeout(EXPORT_LIMIT).build()?;
    let resource = Resource::builder()
        .with_service_name(service)
        .with_attributes([
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", instance.to_owned()),
        ])
        .build();
    let provider = SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build();
    let tracer = provider.tracer("hero_supervisor");
    EXPORT.get_or_init(|| Export { provider, tracer });
    Ok(())
}

/// Returns true after a call of [`start`].
pub fn started() -> bool {
    EXPORT.get().is_some()
}

/// Sends the remaining spans. Call it last, within the runtime of [`start`].
pub async fn end() {
    let Some(export) = EXPORT.get() else { return };
    let provider = export.provider.clone();
    let ended = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(EXPORT_LIMIT)).await;
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "traces: the last spans could not be sent"),
        Err(error) => tracing::debug!(%error, "traces: the last spans could not be sent"),
    }
}

/// Returns the text if it is a valid trace context.
pub fn valid(traceparent: &str) -> Option<&str> {
    context(traceparent).span().span_context().is_valid().then_some(traceparent)
}

/// Opens the span of a call; None without a collector.
pub fn call(method: &str, parent: Option<&str>) -> Option<Call> {
    let export = EXPORT.get()?;
    let builder =
        SpanBuilder::from_name(Cow::Owned(method.to_owned())).with_kind(SpanKind::Server).with_attributes([
            KeyValue::new("rpc.system", "grpc"),
            KeyValue::new("rpc.method", method.to_owned()),
        ]);
    let parent = parent.map(context).unwrap_or_default();
    Some(Call { span: builder.start_with_context(&export.tracer, &parent) })
}

/// The span of a call under way, which ends when it is dropped.
#[derive(Debug)]
pub struct Call {
    span: Span,
}

impl Call {
    /// Returns the context for the work of the call.
    pub fn traceparent(&self) -> String {
        render(self.span.span_context())
    }

    /// Records who has made the call.
    pub fn called_by(&mut self, identity: &str) {
        self.span.set_attribute(KeyValue::new("enduser.id", identity.to_owned()));
    }

    /// Records the status of the call.
    pub fn ended(&mut self, code: &'static str, failed: bool) {
        self.span.set_attribute(KeyValue::new("rpc.response.status_code", code));
        if failed {
            self.span.set_status(Status::error(code));
        }
    }
}

/// The attributes of an attempt's span.
#[derive(Debug)]
pub struct Attempt<'a> {
    /// The trace context of the job.
    pub traceparent: &'a str,
    /// The job.
    pub job_id: &'a str,
    /// The script type.
    pub script_type: &'static str,
    /// Number of the attempt, counted from 1.
    pub attempt: u32,
    /// Start time.
    pub started_at: SystemTime,
    /// Duration.
    pub wall: Duration,
    /// The error of a failed attempt.
    pub error: Option<&'a str>,
}

/// Sends the span of a finished attempt; does nothing without a collector.
pub fn attempt(attempt: &Attempt<'_>) {
    let Some(export) = EXPORT.get() else { return };
    let builder = SpanBuilder::from_name("job attempt")
        .with_kind(SpanKind::Consumer)
        .with_start_time(attempt.started_at)
        .with_attributes([
            KeyValue::new("job.id", attempt.job_id.to_owned()),
            KeyValue::new("job.script_type", attempt.script_type),
            KeyValue::new("job.attempt", i64::from(attempt.attempt)),
        ]);
    let mut span = builder.start_with_context(&export.tracer, &context(attempt.traceparent));
    if let Some(error) = attempt.error {
        span.set_status(Status::error(error.to_owned()));
    }
    span.end_with_timestamp(attempt.started_at + attempt.wall);
}

fn context(traceparent: &str) -> Context {
    let carrier = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
    TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier)
}

fn render(context: &SpanContext) -> String {
    format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags().to_u8())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_well_formed_context_is_passed_on() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(valid(good), Some(good));
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "zz-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "hello",
        ] {
            assert_eq!(valid(bad), None, "{bad}");
        }
        assert_eq!(render(context(good).span().span_context()), good);
    }
}
