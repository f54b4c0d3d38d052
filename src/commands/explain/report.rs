//! The facts and the answer in words, and as JSON.

use serde_json::{Value, json};

use super::super::place;
use super::super::show::json::{JobObject, PathFields};
use super::super::show::standing::{self, Around};
use super::super::show::text;
use super::super::show::time::Present;
use super::conclusion::Conclusion;
use super::facts::{Facts, Thing};
use super::words::{moment, thing, writer_words};
use crate::clock;
use crate::queue::{Job, Step};
use crate::watch::means;
use crate::watch::select::Verdict;
use crate::watch::writer::Writer;

/// The answer, and what it rests on.
pub(super) fn lines(
    facts: &Facts<'_>,
    conclusion: &Conclusion<'_>,
    present: &Present,
) -> Vec<String> {
    let mut lines = vec![answer(facts, conclusion, present), String::new()];
    let named = named_facts(facts, conclusion, present);
    lines.extend(
        named
            .into_iter()
            .map(|(name, fact)| format!("  {name:<9} {fact}")),
    );
    lines
}

/// The same as one object.
pub(super) fn object(facts: &Facts<'_>, conclusion: &Conclusion<'_>, present: &Present) -> Value {
    let file = match &facts.thing {
        Thing::File { identity, writer } => json!({
            "size": identity.size,
            "modified_at": clock::text(moment(identity.mtime_ns)),
            "changed_at": clock::text(moment(identity.ctime_ns)),
            "writer": writer_words(writer),
        }),
        _ => Value::Null,
    };
    let settling = facts.known.settling.as_ref().map(|settling| {
        json!({
            "since": clock::text(settling.since),
            "seen_by": settling.seen_by,
            "waiting_for": settling.waiting_for,
        })
    });
    let jobs: Vec<_> = facts
        .known
        .jobs
        .iter()
        .map(|job| JobObject::of(job, facts.known.progress.get(&job.id)))
        .collect();
    let mut object = json!({
        "verdict": conclusion.word(),
        "answer": answer(facts, conclusion, present),
        "watch": facts.owner.map(|watch| &watch.name),
        "ignored_because": ignored(facts),
        "exists": !matches!(facts.thing, Thing::Nothing),
        "file": file,
        "daemon_runs": facts.daemon,
        "settling": settling,
        "jobs": jobs,
    });
    if let (Some(object), Ok(Value::Object(path))) = (
        object.as_object_mut(),
        serde_json::to_value(PathFields::of(&facts.path)),
    ) {
        object.extend(path);
    }
    object
}

fn answer(facts: &Facts<'_>, conclusion: &Conclusion<'_>, present: &Present) -> String {
    match conclusion {
        Conclusion::Job(job) => {
            let sentence = standing::sentence(job, around(facts, job, present));
            let gone = match facts.thing {
                Thing::Nothing if job.finished_at.is_none() && job.step != Step::Confirm => {
                    "; but the file is gone".to_owned()
                }
                Thing::OutOfReach(ref error) => {
                    format!("; the file itself cannot be looked at by you: {error}")
                }
                _ => String::new(),
            };
            format!("its job {} {sentence}{gone}", job.id)
        }
        Conclusion::Settling(settling, former) => format!(
            "it waits to settle since {}: {}{}",
            present.both(settling.since),
            text::line(&settling.waiting_for),
            former_words(*former),
        ),
        Conclusion::Unseen(former) => {
            format!(
                "{}{}{}",
                unseen(facts),
                unfinished(facts),
                former_words(*former)
            )
        }
        Conclusion::Outside if facts.watches.is_empty() => "no folder is watched".to_owned(),
        Conclusion::Outside => format!(
            "it lies outside of every watch: {}; move it there, or `jw-ingest add --watch NAME` it",
            place::list(facts.watches)
        ),
        Conclusion::Ignored(rule) => format!("it is left alone: {}", text::line(&rule.to_string())),
        Conclusion::Nothing => {
            "nothing lies there, and no job is recorded under this path now (a renamed file is listed under its \
             new name); a file of this name would be taken"
                .to_owned()
        }
        Conclusion::Folder => {
            "it is a folder whose files are looked at; name one of them".to_owned()
        }
        Conclusion::Unlisted(error) => format!(
            "it is a folder that you cannot look into: {error}; unless the daemon's user can, its files stay \
             unseen: `jw-ingest check`, run as that user, tells"
        ),
        Conclusion::OutOfReach(error) => format!("it cannot be looked at: {error}"),
    }
}

fn unseen(facts: &Facts<'_>) -> &'static str {
    match facts.daemon {
        Some(false) => "the daemon does not run: it will look at the file when it is started",
        Some(true) => {
            "the daemon has not noticed it yet; a scan finds it within five minutes, and a change of it at once"
        }
        None => "no job has it yet, and whether the daemon runs cannot be seen with your rights",
    }
}

/// What it would wait for, as far as one look can tell.
fn unfinished(facts: &Facts<'_>) -> &'static str {
    match &facts.thing {
        Thing::File { identity, .. } if identity.size == 0 => {
            "; there is no byte in it, and such a file waits until there is one"
        }
        Thing::File {
            writer: Ok(Writer::Present),
            ..
        } => "; a program has it open for writing, and as long it waits",
        _ => "",
    }
}

fn former_words(former: Option<&Job>) -> String {
    former.map_or_else(String::new, |job| {
        format!(
            "; it has changed since job {} ({}), so it is another file now",
            job.id,
            job.state.word()
        )
    })
}

fn around<'a>(facts: &'a Facts<'_>, job: &Job, present: &'a Present) -> Around<'a> {
    Around {
        present,
        progress: facts.known.progress.get(&job.id),
        paused: facts.pause_of(&job.account),
        daemon: facts.daemon,
    }
}

fn ignored(facts: &Facts<'_>) -> Option<String> {
    match &facts.verdict {
        Some(Verdict::Ignored(rule)) => Some(text::line(&rule.to_string())),
        Some(Verdict::Taken) | None => None,
    }
}

fn named_facts(
    facts: &Facts<'_>,
    conclusion: &Conclusion<'_>,
    present: &Present,
) -> Vec<(&'static str, String)> {
    let mut named = vec![("path", text::path(&facts.path))];
    named.extend(thing(facts, present));
    named.push(("watch", watch(facts)));
    if let Some(watch) = facts.owner {
        // The daemon may have given events up since; its log says so.
        named.push(("files", format!("are found {}", means::of(watch))));
    }
    named.push(("daemon", daemon(facts).to_owned()));
    if let Some(settling) = &facts.known.settling {
        let since = present.both(settling.since);
        let fact = match conclusion {
            // The answer has the rest.
            Conclusion::Settling(..) => format!("found by {}", settling.seen_by),
            _ => format!(
                "since {since}, found by {}, waiting: {}{}",
                settling.seen_by,
                text::line(&settling.waiting_for),
                if facts.daemon == Some(false) {
                    ", before the daemon was stopped"
                } else {
                    ""
                }
            ),
        };
        named.push(("settling", fact));
    }
    for job in &facts.known.jobs {
        let fact = match conclusion {
            Conclusion::Job(answer) if answer.id == job.id => {
                format!(
                    "{}, as said above; `jw-ingest job {0}` shows its tries",
                    job.id
                )
            }
            _ => {
                let sentence = standing::sentence(job, around(facts, job, present));
                format!("{} {sentence}", job.id)
            }
        };
        named.push(("job", fact));
    }
    if let Conclusion::Job(job) = conclusion
        && let (Some(method), Some(why)) = (&job.method, &job.method_why)
    {
        named.push((
            "way",
            format!("{}: {}", text::line(method), text::line(why)),
        ));
    }
    let account = facts.known.jobs.last().map(|job| &job.account);
    if let Some(paused) = account
        .or(facts.owner.map(|w| &w.account))
        .and_then(|a| facts.pause_of(a))
    {
        named.push(("account", standing::pause(paused, present)));
    }
    named
}

/// The watch, and whether it takes the path.
fn watch(facts: &Facts<'_>) -> String {
    let Some(watch) = facts.owner else {
        return "none".to_owned();
    };
    let folder = text::path(&watch.path);
    let taken = match (ignored(facts), &facts.thing) {
        (Some(rule), _) => format!("leaves it alone: {rule}"),
        (None, Thing::Folder(Some(_))) => {
            "takes what is in it, as far as it can be read".to_owned()
        }
        (None, _) => "takes it".to_owned(),
    };
    format!(
        "{} ({folder}), account {}; {taken}",
        watch.name, watch.account
    )
}

fn daemon(facts: &Facts<'_>) -> &'static str {
    match facts.daemon {
        Some(true) => "runs",
        Some(false) if facts.known.database => "does not run",
        Some(false) => "does not run, and never did: there is no database yet",
        None => "unknown: your rights do not reach to its lock",
    }
}
