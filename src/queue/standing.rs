//! Where a job is: the one answer that its row comes to, for everything that reports jobs.
//!
//! The column `phase` (migration 0015) is the same rule for people who read the table.
#![deny(clippy::wildcard_enum_match_arm)]

use super::job::{Arrival, Job, State, Step};

/// Where a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It waits for its turn, or for its next attempt at `run_at`.
    Turn,
    /// It waits for the job `waits_for`, which decides whether its content needs to be uploaded.
    WaitingForCopy,
    /// Its video is created on the platform now.
    Creating,
    /// Its bytes are sent now.
    Uploading,
    /// The platform has it, or fetches it, and is not ready yet.
    Confirming,
    /// It was sent by FTP, and its video is looked for on the platform.
    SeekingKey,
    /// Its video is ready, and the key is recorded.
    Done,
    /// It was sent by FTP, and its video was not found.
    DoneWithoutKey,
    /// Its video was ready, and another job is sending other content into it.
    BeingReplaced,
    /// Its video was ready, and another job may have put other content into it.
    MaybeReplaced,
    /// Its video was ready, and has the content of another job now.
    Replaced,
    /// It needs a person: trying again by itself cannot help.
    Failed,
    /// It failed because its file went away before it was uploaded.
    Gone,
    /// It waits for a person to decide.
    Held,
    /// A person took it out.
    Cancelled,
    /// Its file changed before it was uploaded: the new content is a job of its own.
    Superseded,
    /// Another job's video has its content.
    Duplicate,
}

impl Standing {
    /// All of them, in the order of a life.
    pub const ALL: [Self; 17] = [
        Self::Turn,
        Self::WaitingForCopy,
        Self::Creating,
        Self::Uploading,
        Self::Confirming,
        Self::SeekingKey,
        Self::Done,
        Self::DoneWithoutKey,
        Self::BeingReplaced,
        Self::MaybeReplaced,
        Self::Replaced,
        Self::Failed,
        Self::Gone,
        Self::Held,
        Self::Cancelled,
        Self::Superseded,
        Self::Duplicate,
    ];

    /// The word in the column `phase`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Turn => "turn",
            Self::WaitingForCopy => "waiting-for-copy",
            Self::Creating => "creating",
            Self::Uploading => "uploading",
            Self::Confirming => "confirming",
            Self::SeekingKey => "seeking-key",
            Self::Done => "done",
            Self::DoneWithoutKey => "done-without-key",
            Self::BeingReplaced => "being-replaced",
            Self::MaybeReplaced => "maybe-replaced",
            Self::Replaced => "replaced",
            Self::Failed => "failed",
            Self::Gone => "gone",
            Self::Held => "held",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
            Self::Duplicate => "duplicate",
        }
    }

    /// The standing that a word in the column `phase` stands for.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|standing| standing.word() == word)
    }

    /// The state that the table has for it.
    pub fn state(self) -> State {
        match self {
            Self::Turn | Self::WaitingForCopy | Self::Confirming | Self::SeekingKey => {
                State::Queued
            }
            Self::Creating | Self::Uploading => State::Running,
            Self::Done
            | Self::DoneWithoutKey
            | Self::BeingReplaced
            | Self::MaybeReplaced
            | Self::Replaced => State::Done,
            Self::Failed | Self::Gone | Self::Held => State::Failed,
            Self::Cancelled | Self::Superseded => State::Cancelled,
            Self::Duplicate => State::Duplicate,
        }
    }

    /// Whether it waits in the table: for its turn, for another job, or for the platform.
    pub fn is_waiting(self) -> bool {
        self.state() == State::Queued
    }

    /// Whether its video was ready.
    pub fn is_done(self) -> bool {
        self.state() == State::Done
    }

    /// The state as people read it: the table's word, but where that would mislead.
    pub fn state_word(self) -> &'static str {
        match self {
            Self::Confirming | Self::SeekingKey | Self::Held => self.word(),
            Self::Turn
            | Self::WaitingForCopy
            | Self::Creating
            | Self::Uploading
            | Self::Done
            | Self::DoneWithoutKey
            | Self::BeingReplaced
            | Self::MaybeReplaced
            | Self::Replaced
            | Self::Failed
            | Self::Gone
            | Self::Cancelled
            | Self::Superseded
            | Self::Duplicate => self.state().word(),
        }
    }
}

impl Job {
    /// Whether no file is its any more: it was deleted, or has other content by now.
    pub fn has_no_file(&self) -> bool {
        self.identity.ino == -self.id.0
    }

    /// Where it is.
    pub fn standing(&self) -> Standing {
        match (self.state, self.step) {
            // No verb leaves a job running at this step.
            (State::Queued | State::Running, Step::Confirm) if self.video_key.is_none() => {
                Standing::SeekingKey
            }
            (State::Queued | State::Running, Step::Confirm) => Standing::Confirming,
            (State::Queued, Step::Create | Step::Transfer) if self.waits_for.is_some() => {
                Standing::WaitingForCopy
            }
            (State::Queued, Step::Create | Step::Transfer) => Standing::Turn,
            (State::Running, Step::Create) => Standing::Creating,
            (State::Running, Step::Transfer) => Standing::Uploading,
            (State::Done, _) => self.standing_of_done(),
            (State::Failed, _) if self.superseded => Standing::Gone,
            (State::Failed, _) if self.held => Standing::Held,
            (State::Failed, _) => Standing::Failed,
            (State::Cancelled, _) if self.superseded => Standing::Superseded,
            (State::Cancelled, _) => Standing::Cancelled,
            (State::Duplicate, _) => Standing::Duplicate,
        }
    }

    fn standing_of_done(&self) -> Standing {
        match self.replaced.map(|replaced| replaced.arrival) {
            Some(Arrival::Sending) => Standing::BeingReplaced,
            Some(Arrival::Perhaps) => Standing::MaybeReplaced,
            Some(Arrival::Certain) => Standing::Replaced,
            None if self.video_key.is_none() => Standing::DoneWithoutKey,
            None => Standing::Done,
        }
    }
}
