//! How supervisors and actors get into Redis: users with few rights, passwords in files, and certificates.

mod passwords;
mod rights;
mod tls;
