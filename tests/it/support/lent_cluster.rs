//! Clusters that tests which break nothing have one after another.

use std::ops::Deref;
use std::sync::Mutex;

use hero_supervisor::adapters::redis::{RedisConfig, RedisQueue};
use hero_supervisor::ports::queue_maintenance::QueueMaintenance;

use super::cluster::PrivateCluster;

/// Clusters of three primaries that no test uses now. A Cluster needs seconds until it takes itself for whole, so tests that break
/// nothing have one after another.
static IDLE: Mutex<Vec<PrivateCluster>> = Mutex::new(Vec::new());

impl PrivateCluster {
    /// Lets a supervisor load the functions, which actors may not.
    pub(crate) async fn load_functions(&self) {
        let config = RedisConfig { url: self.url(), access: self.supervisors(), ..RedisConfig::default() };
        let queue = RedisQueue::new(config).unwrap();
        queue.probe().await.unwrap();
        queue.maintain().await.unwrap();
        queue.close().await;
    }
}

/// A Cluster for one test, which is given on to another one. It is empty but for the functions.
pub(crate) struct LentCluster(Option<PrivateCluster>);

impl LentCluster {
    pub(crate) async fn take() -> Self {
        let idle = IDLE.lock().unwrap().pop();
        let cluster = match idle {
            Some(cluster) => cluster,
            None => PrivateCluster::start().await,
        };
        cluster.empty().await;
        cluster.load_functions().await;
        Self(Some(cluster))
    }
}

impl Deref for LentCluster {
    type Target = PrivateCluster;

    fn deref(&self) -> &PrivateCluster {
        self.0.as_ref().unwrap()
    }
}

impl Drop for LentCluster {
    fn drop(&mut self) {
        if let Some(cluster) = self.0.take()
            && !std::thread::panicking()
        {
            IDLE.lock().unwrap().push(cluster);
        }
    }
}
