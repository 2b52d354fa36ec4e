//! The whole service while its parts die, freeze or go away.

mod actors;
mod frozen;
mod redis;
mod supervisor;
mod zinit;
