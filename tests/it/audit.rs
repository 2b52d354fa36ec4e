//! The audit log: what is noted, what is not, and what becomes of it when the disk is full or somebody changes a line.

mod chain;
mod disk;
mod file;
mod log;
mod pages;
mod service;
