//! Lists page by page.

use std::collections::BTreeSet;

use hero_supervisor::proto as pb;
use prost::Message;

use super::on_memory::{GrpcOnMemory, osis, soon, told};

#[tokio::test]
async fn jobs_are_listed_page_by_page_newest_first_and_each_once() {
    let world = GrpcOnMemory::start();
    let mut client = world.client();
    for n in 0..7 {
        let job_id = format!("job-{n}");
        let request = pb::SubmitJobRequest { job: osis("sleep"), job_id, ..Default::default() };
        client.submit_job(request).await.unwrap();
    }
    let mut found = Vec::new();
    let mut request = pb::ListJobsRequest { page_size: 3, ..Default::default() };
    loop {
        let page = client.list_jobs(request.clone()).await.unwrap().into_inner();
        assert!(page.jobs.len() <= 3);
        found.extend(page.jobs);
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    let ids: BTreeSet<&str> = found.iter().map(|job| job.job_id.as_str()).collect();
    assert_eq!((found.len(), ids.len()), (7, 7));
    let times: Vec<_> = found.iter().map(|job| job.create_time.unwrap()).collect();
    assert!(times.is_sorted_by(|a, b| (a.seconds, a.nanos) >= (b.seconds, b.nanos)), "newest first");
}

#[tokio::test]
async fn a_token_is_good_for_its_own_filters_only() {
    let world = GrpcOnMemory::start();
    let mut client = world.client();
    for _ in 0..3 {
        let request = pb::SubmitJobRequest { job: osis("sleep"), ..Default::default() };
        client.submit_job(request).await.unwrap();
    }
    let first = pb::ListJobsRequest { page_size: 1, ..Default::default() };
    let page_token = client.list_jobs(first).await.unwrap().into_inner().next_page_token;
    let wider = pb::ListJobsRequest { page_size: 2, page_token: page_token.clone(), ..Default::default() };
    assert!(client.list_jobs(wider.clone()).await.is_ok(), "the size of a page is no filter");
    let other = pb::ListJobsRequest { caller_id: "me".to_owned(), ..wider };
    assert_eq!(told(&client.list_jobs(other).await.unwrap_err()).1, "INVALID_PAGE_TOKEN");
    let actors = pb::ListActorsRequest { page_token, ..Default::default() };
    assert_eq!(told(&client.list_actors(actors).await.unwrap_err()).1, "INVALID_PAGE_TOKEN");
}

#[tokio::test]
async fn pages_of_large_results_fit_into_a_message() {
    let mut world = GrpcOnMemory::start();
    world.start_osis_worker();
    let mut client = world.client();
    for _ in 0..6 {
        let run = pb::RunJobRequest { job: osis("big"), ..Default::default() };
        let answer = soon("RunJob", client.run_job(run)).await.unwrap().into_inner();
        assert_eq!(answer.wait_outcome(), pb::WaitOutcome::Done);
    }
    let mut request = pb::ListJobsRequest::default();
    let (mut found, mut pages) = (BTreeSet::new(), 0);
    loop {
        let page = client.list_jobs(request.clone()).await.unwrap().into_inner();
        assert!(page.encoded_len() <= 4 * 1024 * 1024);
        pages += 1;
        found.extend(page.jobs.into_iter().map(|job| job.job_id));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(found.len(), 6);
    assert!(pages > 1);
}
