//! Lists that are read page after page, and the number of actors.

use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};

use super::wait::MARGIN;
use super::{Client, ClientError};
use crate::proto::{
    Actor, Event, Job, ListActorsRequest, ListEventsRequest, ListJobsRequest, ScaleActorsRequest,
    ScaleActorsResponse, ScriptType,
};

/// Default longest wait of a call that changes the number of actors.
const SCALE_WAIT: std::time::Duration = std::time::Duration::from_secs(60);

/// Items of one page, and the token of the next one; empty at the end.
type Page<T> = (Vec<T>, String);

impl Client {
    /// Lists jobs, the newest first; the next page is read when the stream comes to it. An error is the last item.
    pub fn jobs(&self, request: ListJobsRequest) -> BoxStream<'static, Result<Job, ClientError>> {
        let client = self.clone();
        pages(request.page_token.clone(), move |page_token| {
            let (mut calls, request) = (client.calls(), ListJobsRequest { page_token, ..request.clone() });
            async move {
                let page = calls.list_jobs(request).await?.into_inner();
                Ok((page.jobs, page.next_page_token))
            }
        })
    }

    /// Lists actors by name, as [`Client::jobs`] does.
    pub fn actors(&self, request: ListActorsRequest) -> BoxStream<'static, Result<Actor, ClientError>> {
        let client = self.clone();
        pages(request.page_token.clone(), move |page_token| {
            let (mut calls, request) = (client.calls(), ListActorsRequest { page_token, ..request.clone() });
            async move {
                let page = calls.list_actors(request).await?.into_inner();
                Ok((page.actors, page.next_page_token))
            }
        })
    }

    /// Lists past events, the newest first, as [`Client::jobs`] does.
    pub fn events(&self, request: ListEventsRequest) -> BoxStream<'static, Result<Event, ClientError>> {
        let client = self.clone();
        pages(request.page_token.clone(), move |page_token| {
            let (mut calls, request) = (client.calls(), ListEventsRequest { page_token, ..request.clone() });
            async move {
                let page = calls.list_events(request).await?.into_inner();
                Ok((page.events, page.next_page_token))
            }
        })
    }

    /// Creates or removes actors of a script type until there are `replicas` on the server's node, and waits for it: 60 seconds,
    /// unless `change` sets `max_wait` in the request. It may set other fields as well.
    ///
    /// # Errors
    /// Those of the call ScaleActors.
    pub async fn scale(
        &self,
        script_type: ScriptType,
        replicas: i32,
        change: impl FnOnce(&mut ScaleActorsRequest),
    ) -> Result<ScaleActorsResponse, ClientError> {
        let mut message = ScaleActorsRequest {
            script_type: script_type.into(),
            replicas: Some(replicas),
            ..Default::default()
        };
        change(&mut message);
        let asked = message.max_wait.and_then(|wait| std::time::Duration::try_from(wait).ok());
        let mut request = tonic::Request::new(message);
        request.set_timeout(asked.unwrap_or(SCALE_WAIT).saturating_add(MARGIN));
        Ok(self.calls().scale_actors(request).await?.into_inner())
    }
}

/// Returns the items of one page after the other, each read when it is needed.
fn pages<T, F>(
    first: String,
    fetch: impl Fn(String) -> F + Send + 'static,
) -> BoxStream<'static, Result<T, ClientError>>
where
    T: Send + 'static,
    F: Future<Output = Result<Page<T>, tonic::Status>> + Send + 'static,
{
    let page = move |token: Option<String>| {
        let page = token.map(&fetch);
        async move {
            let Some(page) = page else { return Ok(None) };
            let (items, next) = page.await?;
            let next = (!next.is_empty()).then_some(next);
            Ok::<_, ClientError>(Some((stream::iter(items.into_iter().map(Ok::<_, ClientError>)), next)))
        }
    };
    stream::try_unfold(Some(first), page).try_flatten().boxed()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn pages_are_read_as_they_are_needed_and_an_error_is_the_last_item() {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let mut numbers = pages("1".to_owned(), move |token| {
            counted.fetch_add(1, Ordering::Relaxed);
            async move {
                match token.as_str() {
                    "1" => Ok((vec![1, 2], "2".to_owned())),
                    "2" => Ok((Vec::new(), "3".to_owned())),
                    "3" => Ok((vec![3], "4".to_owned())),
                    other => Err(tonic::Status::not_found(other)),
                }
            }
        });
        assert_eq!(numbers.next().await.unwrap().unwrap(), 1);
        assert_eq!(numbers.next().await.unwrap().unwrap(), 2);
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        assert_eq!(numbers.next().await.unwrap().unwrap(), 3);
        assert_eq!(numbers.next().await.unwrap().unwrap_err().message, "4");
        assert!(numbers.next().await.is_none());
        let whole = pages(String::new(), |_token| async { Ok((vec![1, 2], String::new())) });
        assert_eq!(whole.try_collect::<Vec<i32>>().await.unwrap(), [1, 2]);
    }
}
