use serde::{Deserialize, Serialize};

/// An error as the relay answers it: problem details for HTTP APIs (RFC 9457, section 3),
/// sent as `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A URI reference that names the kind of problem, such as `/problems/unknown-source`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem in a few words, the same each time it occurs.
    pub title: String,
    /// The HTTP status code of the answer.
    pub status: u16,
    /// What happened this time, and what to do.
    pub detail: String,
}
