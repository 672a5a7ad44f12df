//! How a command fails: a kind that decides the exit code, a word, a sentence, a hint.

use serde_json::json;
use waxwing_node::api::model::Problem;
use waxwing_protocol::output::{Refusal, RefusalKind};

/// Characters of a usage error: a sentence, and the word that it is about.
const USAGE_CHARS_MAX: usize = 300;

/// Kind of a failure, and with it the exit code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// 0: whoever read our output has gone; nothing to say to anybody.
    Closed,
    /// 1: an error of no other kind.
    Failed,
    /// 2: the command's words are wrong.
    Usage,
    /// 3: no such contact, message, request.
    NotFound,
    /// 4: not authorised.
    Unauthorised,
    /// 5: the node cannot be reached.
    Unreachable,
    /// 6: it took too long.
    Timeout,
    /// 7: it clashes with what is there.
    Conflict,
    /// 8: a rule or a limit forbids it.
    Policy,
    /// 130: Ctrl-C.
    Interrupted,
}

/// A failed command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CliError {
    /// What kind.
    pub kind: Kind,
    /// Snake-case word for programs.
    pub code: String,
    /// One sentence.
    pub message: String,
    /// What to try.
    pub hint: Option<String>,
}

impl CliError {
    /// A failure of any kind.
    pub fn new(kind: Kind, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind,
            code: code.into(),
            message: message.into(),
            hint: None,
        }
    }

    /// Exit code 1.
    pub fn failed(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Kind::Failed, code, message)
    }

    /// Exit code 2.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, "usage", message)
    }

    /// Exit code 6.
    pub fn timeout(message: impl Into<String>) -> Self {
        Self::new(Kind::Timeout, "timeout", message)
    }

    /// Exit code 130.
    pub fn interrupted() -> Self {
        Self::new(Kind::Interrupted, "interrupted", "interrupted")
    }

    /// Whoever read our output has gone.
    pub fn closed() -> Self {
        Self::new(Kind::Closed, "closed", "the output was closed")
    }

    /// With a hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What clap found wrong with the command line, in one sentence.
    pub fn from_clap(error: &clap::Error) -> Self {
        let text = error.to_string();
        let first = text.lines().find(|line| !line.trim().is_empty());
        let message = first.unwrap_or("wrong usage").trim();
        let message = message.strip_prefix("error: ").unwrap_or(message);
        // A word that does not fit is quoted, however long it is.
        let message = crate::text::shorten(message, USAGE_CHARS_MAX);
        Self::usage(message).hint("`waxwing --help` lists the commands")
    }

    /// What the engine refused.
    pub fn from_refusal(refusal: Refusal) -> Self {
        let kind = match refusal.kind {
            RefusalKind::Invalid => Kind::Usage,
            RefusalKind::NotFound => Kind::NotFound,
            RefusalKind::Conflict => Kind::Conflict,
            RefusalKind::Policy => Kind::Policy,
        };
        Self {
            kind,
            code: refusal.code,
            message: refusal.message,
            hint: refusal.hint,
        }
    }

    /// What the node answered.
    pub fn from_problem(problem: Problem) -> Self {
        let kind = match problem.status {
            400 | 405 | 415 | 422 => Kind::Usage,
            401 => Kind::Unauthorised,
            403 | 413 | 429 => Kind::Policy,
            404 => Kind::NotFound,
            408 | 504 => Kind::Timeout,
            409 => Kind::Conflict,
            503 => Kind::Unreachable,
            _ => Kind::Failed,
        };
        Self {
            kind,
            code: problem.code,
            message: problem.detail,
            hint: problem.hint,
        }
    }

    /// The exit code of the process.
    pub const fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::Closed => 0,
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::NotFound => 3,
            Kind::Unauthorised => 4,
            Kind::Unreachable => 5,
            Kind::Timeout => 6,
            Kind::Conflict => 7,
            Kind::Policy => 8,
            Kind::Interrupted => 130,
        }
    }

    /// `{"error":{"code","message","hint"}}` in one line; no hint, no key.
    pub fn to_json(&self) -> String {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let Some(hint) = &self.hint {
            error["hint"] = json!(hint);
        }
        json!({ "error": error }).to_string()
    }
}

impl From<std::io::Error> for CliError {
    /// A failed write to our own output.
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            Self::closed()
        } else {
            Self::failed("output", format!("cannot write the output: {error}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(status: u16) -> CliError {
        CliError::from_problem(Problem {
            kind: String::new(),
            title: String::new(),
            status,
            code: "x".to_owned(),
            detail: "X.".to_owned(),
            hint: None,
        })
    }

    #[test]
    fn every_status_has_its_exit_code() {
        for (status, code) in [
            (400, 2),
            (401, 4),
            (403, 8),
            (404, 3),
            (409, 7),
            (410, 1),
            (413, 8),
            (422, 2),
            (429, 8),
            (500, 1),
            (503, 5),
            (504, 6),
            (507, 1),
        ] {
            assert_eq!(problem(status).exit_code(), code, "{status}");
        }
        assert_eq!(CliError::interrupted().exit_code(), 130);
        assert_eq!(CliError::closed().exit_code(), 0);
    }

    #[test]
    fn json_has_a_hint_only_where_there_is_one() {
        let error = CliError::new(Kind::NotFound, "not_found", "There is no \"dave\".");
        assert_eq!(
            error.to_json(),
            r#"{"error":{"code":"not_found","message":"There is no \"dave\"."}}"#
        );
        let error = error.hint("waxwing contacts");
        assert_eq!(
            error.to_json(),
            r#"{"error":{"code":"not_found","hint":"waxwing contacts","message":"There is no \"dave\"."}}"#
        );
    }
}
