//! Repeats of a change that another supervisor may be faster with.

use crate::error::SupervisorError;

/// Tries in all. Each conflict is another supervisor's success, so five in a row mean that somebody writes all the time.
const TRIES: u32 = 5;

/// Repeats `attempt` while it returns None, the sign that another supervisor was faster; None after five tries.
/// An attempt begins by reading what it changes.
///
/// # Errors
/// The first error of an attempt.
pub(crate) async fn retry_conflicts<T, F>(
    mut attempt: impl FnMut() -> F,
) -> Result<Option<T>, SupervisorError>
where
    F: Future<Output = Result<Option<T>, SupervisorError>>,
{
    for _try in 0..TRIES {
        if let Some(done) = attempt().await? {
            return Ok(Some(done));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;

    #[tokio::test]
    async fn a_change_is_tried_again_after_a_conflict_and_not_for_ever() {
        let mut tries = 0;
        let third = retry_conflicts(|| {
            tries += 1;
            ready(Ok((tries == 3).then_some(tries)))
        });
        assert_eq!(third.await.unwrap(), Some(3));
        let mut tries = 0;
        let never = retry_conflicts(|| {
            tries += 1;
            ready(Ok(None::<()>))
        });
        assert_eq!(never.await.unwrap(), None);
        assert_eq!(tries, TRIES);
        let broken = retry_conflicts(|| ready(Err::<Option<()>, _>(SupervisorError::ShuttingDown))).await;
        assert!(matches!(broken, Err(SupervisorError::ShuttingDown)));
    }
}
