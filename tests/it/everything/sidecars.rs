//! Sidecars: whole, half typed and completed later, changed, deleted, taken along.

use std::fs;
use std::path::Path;

use super::books::Sidecar;
use super::world::{Later, World};
use crate::support::Dice;

impl World {
    /// Does something to the sidecar of a file.
    pub(super) fn sidecar(&mut self, dice: &mut Dice) {
        let Some((video, id)) = self.some_file(dice) else {
            return;
        };
        let path = video.with_extension("json");
        let title = format!("Title {}", self.number());
        match dice.below(10) {
            0 if self.books.sidecars.contains_key(&path) => {
                drop(fs::remove_file(&path));
                self.books.sidecars.remove(&path);
                self.books
                    .note(Some(id), format!("deleted {}", path.display()));
            }
            0..4 => {
                fs::write(&path, r#"{"title": "Ti"#).unwrap();
                let half = Sidecar {
                    title: None,
                    mended: false,
                };
                self.books.sidecars.insert(path.clone(), half);
                self.books
                    .note(Some(id), format!("half typed {}", path.display()));
                if dice.below(3) > 0 {
                    self.after(200 + dice.below(4_000), Later::Sidecar(path, title));
                }
            }
            _ => self.complete_sidecar(&path, title),
        }
    }

    /// Writes a whole one.
    pub(super) fn complete_sidecar(&mut self, path: &Path, title: String) {
        let aside = self.site.outside().join("sidecar");
        fs::write(&aside, format!("{{\"title\": \"{title}\"}}")).unwrap();
        fs::rename(&aside, path).unwrap();
        self.books
            .note(None, format!("wrote {} with {title:?}", path.display()));
        let before = self.books.sidecars.get(path);
        let whole = Sidecar {
            title: Some(title),
            mended: before.is_some_and(|before| before.title.is_none() || before.mended),
        };
        self.books.sidecars.insert(path.to_path_buf(), whole);
    }

    /// It goes where its video went.
    pub(super) fn move_sidecar(&mut self, from: &Path, to: &Path) {
        let (from, to) = (from.with_extension("json"), to.with_extension("json"));
        if fs::rename(&from, &to).is_ok() {
            self.books.note(
                None,
                format!("renamed {} to {}", from.display(), to.display()),
            );
            if let Some(sidecar) = self.books.sidecars.remove(&from) {
                self.books.sidecars.insert(to, sidecar);
            }
        }
    }
}
