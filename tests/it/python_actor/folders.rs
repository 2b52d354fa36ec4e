//! The folder of a job.

use super::{PYTHON_ACTOR, run};
use crate::osis_actor::rig::Rig;

#[tokio::test]
async fn a_job_leaves_nothing_for_the_next_one() {
    let rig = Rig::start().await;
    let _actor = rig.start_actor(PYTHON_ACTOR, "python_actor_0", &["--concurrency=1"]);
    let leaves = "import os\n\
        here = os.getcwd()\n\
        number = int(os.path.basename(here))\n\
        os.makedirs(f'../{number + 1}')\n\
        open(f'../{number + 1}/.netrc', 'w').write('mine')\n\
        open('../beside', 'w').write('mine')\n\
        os.symlink('/etc', '../link')\n\
        os.listdir('.')";
    assert_eq!(run(&rig, leaves).await, "[]");
    let looks = "import os\n[os.listdir('.'), os.listdir('..') == [os.path.basename(os.getcwd())], os.path.exists('/etc/passwd')]";
    assert_eq!(run(&rig, looks).await, "[[],true,true]");
}
