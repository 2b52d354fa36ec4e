//! Files of earlier formats are restored for ever.

use std::path::Path;

use hero_supervisor::domain::model::id::JobId;
use hero_supervisor::domain::model::job::{JobState, JobView};

use super::super::queue_contract::{Kind, read};
use super::{fine, load};

/// The file of format 1. HERO_GOLDEN_BACKUP=FILE makes `from_one_redis_to_another` write one of the present format.
const FORMAT_1: &str = "tests/it/contract/job_queue/backups/format-1.backup";

#[tokio::test]
async fn a_backup_of_format_1_is_restored() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(FORMAT_1);
    let target = Kind::Redis.bench().await;
    let restored = fine(load(&target, &file, &[]));
    assert_eq!((&restored["records"]["jobs"], &restored["records"]["objects"]), (&71.into(), &2.into()));
    let queue = target.supervisor();
    let chosen = JobId::parse("chosen").unwrap();
    assert_eq!(read(&queue, &chosen).await.state, JobState::Queued);
    let full = queue.get(&chosen, JobView::Full).await.unwrap().unwrap();
    assert_eq!(full.spec.script, "named 1");
    assert_eq!(target.store().load().await.unwrap().records.len(), 1);
    queue.close().await;
}
