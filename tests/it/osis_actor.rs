//! The real osis_actor on a real Redis: what scripts see, what hurts them, and what happens to jobs when things die.

mod faults;
mod limits;
mod objects;
mod order;
pub(crate) mod osis_program;
mod output;
mod process;
mod refusals;
mod scripts;
