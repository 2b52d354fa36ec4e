//! One contract for all engines: a table of rules, each with a script in every language, run by the real actors on a real
//! Redis. What a language cannot say stands in the table with the reason.

mod engine_actor;
mod osis;
mod python;
mod rules;
mod sal;
mod v;

pub(crate) use engine_actor::is_alive;
use rules::Rule;

/// How a language shows that a rule is kept.
pub(crate) enum Shown {
    /// By this script.
    By(String),
    /// Not at all, because of this.
    Not(&'static str),
}

impl<T: Into<String>> From<T> for Shown {
    fn from(script: T) -> Self {
        Self::By(script.into())
    }
}

/// A kind of actor and its scripts.
pub(crate) struct Language {
    pub(crate) script_type: hero_supervisor::domain::model::script_type::ScriptType,
    pub(crate) binary: &'static str,
    pub(crate) flags: Vec<String>,
    pub(crate) script: fn(Rule) -> Shown,
    /// What a script must be for a job that only gives this number back.
    pub(crate) number: fn(u32) -> String,
    /// How many different numbers are asked for; few, where each new script costs a compilation.
    pub(crate) numbers: u32,
    /// The script of [`Rule::Cancel`] starts a program of its own, some time after the job runs.
    pub(crate) starts_programs: bool,
}

/// Sees that a language keeps every rule.
#[expect(clippy::print_stdout, reason = "what a language cannot show is said aloud")]
async fn keeps_every_rule(language: &Language) {
    let stage = engine_actor::EngineActor::start(language).await;
    for rule in Rule::ALL {
        match (language.script)(rule) {
            Shown::By(script) => {
                rule.check(&stage, &script).await;
                stage.next_job_runs(&format!("{rule:?}")).await;
            }
            Shown::Not(reason) => println!("NOT APPLICABLE {} {rule:?}: {reason}", language.binary),
        }
    }
    stage.nothing_is_left().await;
}

#[tokio::test]
async fn osis_keeps_every_rule_of_the_contract() {
    keeps_every_rule(&osis::language()).await;
}

#[tokio::test]
async fn sal_keeps_every_rule_of_the_contract() {
    keeps_every_rule(&sal::language()).await;
}

#[tokio::test]
async fn python_keeps_every_rule_of_the_contract() {
    keeps_every_rule(&python::language()).await;
}

#[tokio::test]
async fn python_with_a_shared_process_keeps_every_rule_of_the_contract() {
    keeps_every_rule(&python::shared()).await;
}

#[tokio::test]
async fn v_with_a_stand_in_for_its_compiler_keeps_every_rule_of_the_contract() {
    let folder = tempfile::Builder::new().prefix("stand-in").tempdir().unwrap();
    keeps_every_rule(&v::language(folder.path())).await;
}
