//! One line of the result.

/// What was found out about one thing.
#[derive(Debug)]
pub(super) struct Finding {
    grade: Grade,
    /// What it is about, e.g. `watch news`.
    pub(super) subject: String,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grade {
    Ok,
    Warn,
    Fail,
}

impl Finding {
    /// It is as it should be.
    pub(super) fn ok(subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(Grade::Ok, subject, text)
    }

    /// The daemon can start, but a person should know.
    pub(super) fn warn(subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(Grade::Warn, subject, text)
    }

    /// The daemon cannot do its work; the text says what to do.
    pub(super) fn fail(subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(Grade::Fail, subject, text)
    }

    fn new(grade: Grade, subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            grade,
            subject: subject.into(),
            text: text.into(),
        }
    }

    /// Whether it makes the command end with 78.
    pub(super) fn is_failure(&self) -> bool {
        self.grade == Grade::Fail
    }

    /// The line, with subjects `width` wide.
    pub(super) fn line(&self, width: usize) -> String {
        let grade = match self.grade {
            Grade::Ok => "ok",
            Grade::Warn => "warn",
            Grade::Fail => "FAIL",
        };
        format!("{grade:<5} {:<width$}  {}", self.subject, self.text)
    }
}
