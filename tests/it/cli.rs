//! The real binary, from the outside: exit codes, output, configuration, and what it leaves behind.

mod client;
mod config;
mod dev;
mod doctor;
mod follow;
mod followed;
mod nouns;
mod serve;
mod wait;
