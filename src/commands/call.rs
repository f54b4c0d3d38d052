//! `jw-ingest call`: one call of the platform's API, its answer printed.

use super::context::Context;
use super::error::CommandError;
use crate::config::{self, Account, Config};
use crate::exit::Exit;
use crate::platform::{Client, Error, Refusal, Verb};

/// The end of its help.
const HELP: &str = "\
The response is printed as the platform sent it. If it contains an upload link, treat that as a
password.

With API v2 the path is relative to the site. For --method POST, PUT and PATCH the parameters become
the fields of a JSON object; a value that is not JSON is sent as text.

Examples:
  jw-ingest call /videos/show video_key=AbCd1234
  jw-ingest call /videos/list search:custom.ingest_id=0198d5a0 result_limit=5
  jw-ingest call /media/AbCd1234
  jw-ingest call /media page_length=5 'q=title:\"harbour\"'
  jw-ingest call -X PATCH /media/AbCd1234 'metadata={\"title\": \"Harbour\"}'

Exit status:
  0   the platform accepted the call
  1   the platform refused it, or cannot be reached
  2   the command line is wrong
  78  the configuration is wrong";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Path of the call, such as /videos/show, or with API v2 /media/ID
    path: String,
    /// Parameters; the credentials are added
    #[arg(value_name = "KEY=VALUE", value_parser = parse_parameter)]
    parameters: Vec<(String, String)>,
    /// With API v2: GET, POST, PUT, PATCH, or DELETE [default: GET]
    #[arg(short = 'X', long, value_name = "METHOD")]
    method: Option<Verb>,
    /// Account to use, if there are several
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
}

fn parse_parameter(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Makes the call.
///
/// # Errors
/// See [`CommandError`].
pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let config = config::load_to_wait(&context.config)?;
    let client = Client::new(choose_account(&config, args.account.as_deref())?)?;
    let path = format!("/{}", args.path.trim_start_matches('/'));
    let parameters: Vec<_> = args
        .parameters
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    let answer = super::runtime()?.block_on(client.call(args.method, &path, &parameters));
    let (answer, exit) = match answer {
        Ok(answer) => (answer, Exit::Done),
        Err(Error::Refused(refusal)) => (as_json(&refusal), Exit::Failed),
        Err(error) => return Err(error.into()),
    };
    context.screen.object_laid_out(&answer)?;
    Ok(exit)
}

fn choose_account<'a>(config: &'a Config, name: Option<&str>) -> Result<&'a Account, CommandError> {
    let mut accounts = config.accounts.values();
    let found = match (name, accounts.len()) {
        (Some(name), _) => config.accounts.get(name),
        (None, 1) => accounts.next(),
        (None, _) => None,
    };
    found.ok_or_else(|| {
        let names: Vec<_> = config.accounts.keys().map(String::as_str).collect();
        let names = names.join(", ");
        CommandError::Usage(match name {
            Some(name) => format!("there is no account {name:?}, only: {names}"),
            None => format!("there are several accounts; choose one with --account: {names}"),
        })
    })
}

/// A refusal in the fields of the platform's own form.
fn as_json(refusal: &Refusal) -> serde_json::Value {
    serde_json::json!({
        "status": "error",
        "code": refusal.word,
        "message": refusal.message,
        "http_status": refusal.status,
        "request_id": refusal.request_id,
    })
}
