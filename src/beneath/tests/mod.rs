//! Tests of the floor, by either resolver; and of folders that turn into links and back meanwhile.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::fs::{CWD, RenameFlags};
use tempfile::TempDir;

use super::resolve::Resolver;
use super::*;

const BOTH: [Resolver; 2] = [Resolver::Kernel, Resolver::Names];

thread_local! {
    static IN_STEPS: Cell<bool> = const { Cell::new(false) };
}

/// What the kernel says on a filesystem that cannot rename without taking a name over, such as NFS, while this thread
/// is on one.
pub(super) fn refusal_to_rename(from: &OwnedFd, to: &OwnedFd) -> Option<Errno> {
    let device = |folder: &OwnedFd| rustix::fs::fstat(folder).unwrap().st_dev;
    let is_one = device(from) == device(to);
    let errno = if is_one { Errno::INVAL } else { Errno::XDEV };
    IN_STEPS.get().then_some(errno)
}

/// Acts on a filesystem that can rename without taking a name over, and on one that cannot.
pub(crate) fn by_either_rename(act: impl Fn()) {
    for in_steps in [false, true] {
        IN_STEPS.set(in_steps);
        act();
    }
    IN_STEPS.set(false);
}

/// `root/sub/a` says "inside", and `outside/sub/a` says "outside".
struct Ground(TempDir);

impl Ground {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (folder, content) in [("root", "inside"), ("outside", "outside")] {
            fs::create_dir_all(dir.path().join(folder).join("sub/deep")).unwrap();
            fs::write(dir.path().join(folder).join("sub/a"), content).unwrap();
            fs::write(dir.path().join(folder).join("sub/deep/a"), content).unwrap();
        }
        Self(dir)
    }

    fn at(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }

    fn root(&self, resolver: Resolver) -> Folder {
        Folder::root_by(&self.at("root"), resolver).unwrap()
    }
}

fn at(root: &Folder, below: &str) -> Result<Place, Error> {
    Place::below(root, Path::new(below))
}

fn content(place: &Place) -> Result<String, Error> {
    let file = place.open()?;
    Ok(io::read_to_string(file).unwrap())
}

#[test]
fn what_lies_below_is_reached_and_nothing_else() {
    let ground = Ground::new();
    symlink("../outside/sub", ground.at("root/way")).unwrap();
    symlink(ground.at("outside/sub"), ground.at("root/sub/way")).unwrap();
    symlink("sub", ground.at("root/inner")).unwrap();
    for root in BOTH.map(|resolver| ground.root(resolver)) {
        for below in ["sub/a", "sub/deep/a"] {
            assert_eq!(content(&at(&root, below).unwrap()).unwrap(), "inside");
        }
        for (below, link) in [
            ("way/a", "root/way"),
            ("way/deep/a", "root/way"),
            ("sub/way/a", "root/sub/way"),
            ("sub/way/deep/a", "root/sub/way"),
            ("inner/a", "root/inner"),
        ] {
            let made = Place::make_below(&root, Path::new(below));
            for refused in [at(&root, below), made] {
                let is_said =
                    matches!(&refused, Err(Error::Link(path)) if *path == ground.at(link));
                assert!(is_said, "{root:?} {below}: {refused:?}");
            }
        }
        for below in ["absent/a", "sub/a/b", "sub/deep/none/a"] {
            let refused = at(&root, below).unwrap_err();
            assert!(refused.is_absence(), "{root:?} {below}: {refused}");
        }
    }
}

#[test]
fn no_path_leads_up_and_nothing_but_a_file_is_opened() {
    let ground = Ground::new();
    symlink("a", ground.at("root/sub/link")).unwrap();
    for root in BOTH.map(|resolver| ground.root(resolver)) {
        for below in [
            "../outside/sub/a",
            "sub/../../outside/sub/a",
            "/etc/hostname",
            "..",
        ] {
            assert!(at(&root, below).is_err(), "{root:?} {below}");
        }
        let link = at(&root, "sub/link").unwrap();
        assert!(matches!(link.open(), Err(Error::Link(_))));
        assert!(link.metadata().unwrap().is_symlink());
        let folder = at(&root, "sub/deep").unwrap();
        assert!(matches!(folder.open(), Err(Error::NotAFile(_))));
    }
}

#[test]
fn a_root_is_reached_by_no_link() {
    let ground = Ground::new();
    symlink("root", ground.at("link")).unwrap();
    for resolver in BOTH {
        let root = |below: &str| Folder::root_by(&ground.at(below), resolver);
        for below in ["link", "link/sub", "link/sub/deep", "link/none"] {
            let refused = root(below).unwrap_err();
            let is_said = matches!(&refused, Error::RootLink(link) if *link == ground.at("link"));
            assert!(is_said, "{resolver:?} {below}: {refused:?}");
            assert!(Error::is_root_link(&refused.into_source()));
        }
        for below in ["none", "none/deeper", "root/sub/a"] {
            let refused = root(below).unwrap_err();
            assert!(refused.is_absence(), "{resolver:?} {below}: {refused}");
        }
        assert!(Folder::root_by(Path::new("root"), resolver).is_err());
        assert!(root("root/sub/../../link").is_err());
        let deep = root("root/sub").unwrap();
        assert_eq!(deep.path(), ground.at("root/sub"));
        assert_eq!(content(&at(&deep, "a").unwrap()).unwrap(), "inside");
        assert!(Folder::root_by(Path::new("/"), resolver).is_ok());
    }
}

#[test]
fn what_is_listed_says_what_it_is() {
    let ground = Ground::new();
    symlink("a", ground.at("root/sub/link")).unwrap();
    let (socket, root) = (
        ground.at("root/sub/socket"),
        ground.root(Resolver::of_this_kernel()),
    );
    let _socket = std::os::unix::net::UnixListener::bind(socket).unwrap();
    let sub = root.folder(Path::new("sub")).unwrap();
    let mut listed: Vec<_> = sub.list().unwrap().map(Result::unwrap).collect();
    listed.sort_by(|one, other| one.0.cmp(&other.0));
    let expected = [
        ("a", Kind::File),
        ("deep", Kind::Folder),
        ("link", Kind::Link),
        ("socket", Kind::Other),
    ];
    assert_eq!(listed, expected.map(|(name, kind)| (name.into(), kind)));
}

#[test]
fn names_are_made_moved_and_deleted_in_the_folder_that_is_held() {
    for resolver in BOTH {
        let ground = Ground::new();
        let root = ground.root(resolver);
        let new = Place::make_below(&root, Path::new("x/y/z/new")).unwrap();
        drop(new.create(0o600).unwrap());
        assert!(new.is_taken());
        let mode = fs::metadata(ground.at("root/x/y/z/new"))
            .unwrap()
            .permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        assert_eq!(
            new.create(0o600).unwrap_err().kind(),
            io::ErrorKind::AlreadyExists
        );
        let a = at(&root, "sub/a").unwrap();
        let taken = a.rename_new(&new).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
        // Another folder takes the place of the one that is held.
        fs::rename(ground.at("root/sub"), ground.at("root/aside")).unwrap();
        symlink(ground.at("outside/sub"), ground.at("root/sub")).unwrap();
        let b = a.beside(OsStr::new("b"));
        a.rename_new(&b).unwrap();
        assert_eq!(content(&b).unwrap(), "inside");
        b.folder().sync().unwrap();
        let mut names: Vec<_> = b.folder().names().unwrap().map(Result::unwrap).collect();
        names.sort();
        assert_eq!(names, ["b", "deep"]);
        b.rename_over(&new).unwrap();
        assert_eq!(content(&new).unwrap(), "inside");
        new.remove().unwrap();
        assert!(!new.is_taken() && new.metadata().unwrap_err().is_absence());
        assert_eq!(
            fs::read_to_string(ground.at("outside/sub/a")).unwrap(),
            "outside"
        );
        assert_eq!(fs::read_dir(ground.at("outside/sub")).unwrap().count(), 2);
    }
}

#[test]
fn no_pipe_is_waited_for() {
    let ground = Ground::new();
    rustix::fs::mknodat(
        CWD,
        ground.at("root/pipe"),
        rustix::fs::FileType::Fifo,
        Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let pipe = at(&ground.root(Resolver::Kernel), "pipe").unwrap();
    assert!(matches!(pipe.open(), Err(Error::NotAFile(_))));
}

/// Whether to try again: so often at least, and until both ways were seen; the other thread may not
/// have had its turn.
pub(crate) fn goes_on(tries: u32, least: u32, (seen, refused): (u32, u32)) -> bool {
    tries < least || ((seen == 0 || refused == 0) && tries < 100_000)
}

/// Swaps two names as long as it lives.
pub(crate) fn flip_while<T>(one: &Path, other: &Path, work: impl FnOnce() -> T) -> T {
    flip((one, other), |_| (), work)
}

/// As [`flip_while`], at once and after longer and longer pauses by turns: work that looks at a name many times comes to
/// its end between two swaps, too.
pub(crate) fn flip_with_pauses_while<T>(one: &Path, other: &Path, work: impl FnOnce() -> T) -> T {
    let pause = |round| thread::park_timeout(Duration::from_micros(200) * (round % 8));
    flip((one, other), pause, work)
}

fn flip<T>(
    (one, other): (&Path, &Path),
    pause: impl Fn(u32) + Sync,
    work: impl FnOnce() -> T,
) -> T {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        // Also where the work fails: a thread that swaps on would be waited for without end.
        let _end = End(&stop);
        scope.spawn(|| {
            for round in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let flags = RenameFlags::EXCHANGE;
                rustix::fs::renameat_with(CWD, one, CWD, other, flags).unwrap();
                pause(round);
            }
        });
        work()
    })
}

/// Says stop when it is dropped.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_folder_that_flips_into_a_link_leads_nowhere_else() {
    for resolver in BOTH {
        let ground = Ground::new();
        symlink(ground.at("outside/sub"), ground.at("link")).unwrap();
        let root = ground.root(resolver);
        let (mut seen, mut refused) = (0, 0);
        flip_while(&ground.at("root/sub"), &ground.at("link"), || {
            let mut number = 0;
            while goes_on(number, 5000, (seen, refused)) {
                number += 1;
                let below = if number % 2 == 0 {
                    "sub/a"
                } else {
                    "sub/deep/a"
                };
                match at(&root, below).and_then(|place| content(&place)) {
                    Ok(content) => {
                        assert_eq!(content, "inside");
                        seen += 1;
                    }
                    Err(Error::Link(_)) => refused += 1,
                    Err(other) => panic!("{resolver:?}: {other}"),
                }
                let made = Place::make_below(&root, Path::new("sub/made/b"));
                if let Ok(made) = made
                    && made.create(0o600).is_ok()
                {
                    made.remove().unwrap();
                }
            }
        });
        assert!(seen > 0 && refused > 0, "{resolver:?}: {seen} {refused}");
        let mut left: Vec<_> = fs::read_dir(ground.at("outside/sub")).unwrap().collect();
        assert_eq!(left.len(), 2, "{:?}", left.pop());
    }
}

/// Reaches `below` in a root that flips into a link, as that or below another that does.
fn reach_by_a_flipping_root(resolver: Resolver, (root, below): (&str, &str)) {
    let ground = Ground::new();
    symlink(ground.at("outside"), ground.at("link")).unwrap();
    let (mut seen, mut refused) = (0, 0);
    flip_while(&ground.at("root"), &ground.at("link"), || {
        let mut number = 0;
        while goes_on(number, 5000, (seen, refused)) {
            number += 1;
            let reached = Folder::root_by(&ground.at(root), resolver);
            let place = reached.and_then(|root| at(&root, below));
            match place.and_then(|place| content(&place)) {
                Ok(content) => {
                    assert_eq!(content, "inside");
                    seen += 1;
                }
                Err(Error::RootLink(_)) => refused += 1,
                Err(other) => panic!("{resolver:?}: {other}"),
            }
        }
    });
    assert!(seen > 0 && refused > 0, "{resolver:?}: {seen} {refused}");
}

#[test]
fn a_root_that_flips_into_a_link_leads_nowhere_else() {
    for resolver in BOTH {
        reach_by_a_flipping_root(resolver, ("root", "sub/a"));
        reach_by_a_flipping_root(resolver, ("root/sub", "a"));
    }
}
