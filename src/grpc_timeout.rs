//! The deadline of a call on the wire: the header `grpc-timeout`, which both ends read.

use std::time::Duration;

use tonic::Request;
use tonic::codegen::http::HeaderMap;

pub(crate) const HEADER: &str = "grpc-timeout";

/// Returns the timeout that the caller gives the call, if any.
pub(crate) fn of(headers: &HeaderMap) -> Option<Duration> {
    parse(headers.get(HEADER)?.to_str().ok()?)
}

/// Reads a `grpc-timeout`: at most eight digits and a unit. Anything else counts as none, as everywhere in gRPC.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(amount * 3600)),
        "M" => Some(Duration::from_secs(amount * 60)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

/// The header that gives a call this long, to the microsecond or less exactly, never longer.
pub(crate) fn headers(timeout: Duration) -> HeaderMap {
    let mut request = Request::new(());
    request.set_timeout(timeout);
    request.into_parts().0.into_headers()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_timeout_is_up_to_eight_digits_and_a_unit() {
        let table = [
            ("1H", Some(ms(3_600_000))),
            ("2M", Some(ms(120_000))),
            ("3S", Some(ms(3_000))),
            ("4m", Some(ms(4))),
            ("5000u", Some(ms(5))),
            ("6000000n", Some(ms(6))),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3600))),
            ("", None),
            ("S", None),
            ("1", None),
            ("1s", None),
            ("-1S", None),
            ("+1S", None),
            ("1é", None),
            ("123456789S", None),
        ];
        for (text, timeout) in table {
            assert_eq!(parse(text), timeout, "{text:?}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for timeout in [ms(0), ms(1_500), ms(3_600_000), Duration::from_nanos(5)] {
            assert_eq!(of(&headers(timeout)), Some(timeout));
        }
    }
}
