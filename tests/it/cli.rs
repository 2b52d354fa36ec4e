//! The real binary, from the outside: exit codes, output, configuration, and what it leaves behind.

mod client;
mod config;
mod context;
mod dev;
mod doctor;
mod follow;
mod followed;
mod jobs;
mod newcomer;
mod nouns;
mod serve;
mod terminal;
mod top;
mod wait;
