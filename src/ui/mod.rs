//! What a person looks at: server-side drawings and pages.

pub mod plot;
