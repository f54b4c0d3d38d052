//! A server for the tests that follows a script: it answers each command as it is told, keeps what
//! is sent, and may lie.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What a script says to a command.
pub(super) enum Say {
    /// As an honest server would.
    Usual,
    /// This, as it is.
    Line(&'static str),
    /// A reply without end.
    Endless,
    /// Nothing at all.
    Silence,
    /// It hangs up.
    HangUp,
    /// It takes so many bytes of the data, then closes that connection with this reply.
    Cut(usize, &'static str),
}

type Script = dyn Fn(&str) -> Say + Send + Sync;

/// The server.
pub(super) struct Stub {
    pub(super) address: SocketAddr,
    /// What it has, by name.
    pub(super) files: Arc<Mutex<HashMap<String, Vec<u8>>>>,
    /// The commands that came.
    pub(super) heard: Arc<Mutex<Vec<String>>>,
}

impl Stub {
    pub(super) fn serve(script: impl Fn(&str) -> Say + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stub = Self {
            address: listener.local_addr().unwrap(),
            files: Arc::default(),
            heard: Arc::default(),
        };
        let (files, heard) = (Arc::clone(&stub.files), Arc::clone(&stub.heard));
        let script: Arc<Script> = Arc::new(script);
        // Ends with the test's process.
        thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let peer = Peer {
                    control: BufReader::new(socket),
                    data: None,
                    at: 0,
                    from: String::new(),
                    files: Arc::clone(&files),
                    heard: Arc::clone(&heard),
                };
                let script = Arc::clone(&script);
                thread::spawn(move || peer.work(&*script));
            }
        });
        stub
    }

    /// The commands of one kind.
    pub(super) fn heard(&self, verb: &str) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        heard
            .iter()
            .filter(|line| line.starts_with(verb))
            .cloned()
            .collect()
    }
}

/// A connection under the script.
struct Peer {
    control: BufReader<TcpStream>,
    data: Option<TcpListener>,
    at: usize,
    from: String,
    files: Arc<Mutex<HashMap<String, Vec<u8>>>>,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Peer {
    fn say(&mut self, line: &str) {
        // The client may have gone.
        self.control.get_mut().write_all(line.as_bytes()).ok();
        self.control.get_mut().write_all(b"\r\n").ok();
    }

    fn work(mut self, script: &Script) {
        self.say("220 ready");
        let mut line = String::new();
        while self
            .control
            .read_line(&mut line)
            .is_ok_and(|count| count > 0)
        {
            let command = line.trim_end().to_owned();
            line.clear();
            self.heard.lock().unwrap().push(command.clone());
            match script(&command) {
                Say::Usual => self.usual(&command, None),
                Say::Line(reply) => self.say(reply),
                Say::Endless => loop {
                    if self.control.get_mut().write_all(&[b'2'; 4096]).is_err() {
                        return;
                    }
                },
                Say::Silence => thread::park_timeout(Duration::from_mins(1)),
                Say::HangUp => return,
                Say::Cut(count, reply) => self.usual(&command, Some((count, reply))),
            }
        }
    }

    fn usual(&mut self, command: &str, cut: Option<(usize, &str)>) {
        let (verb, name) = command.split_once(' ').unwrap_or((command, ""));
        match verb {
            "USER" => self.say("331 password"),
            "PASS" => self.say("230 in"),
            "FEAT" => self.say("211-Features:\r\n UTF8\r\n211 End"),
            "PASV" => {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let port = listener.local_addr().unwrap().port();
                // A third party's address, which must not be believed.
                self.say(&format!("227 go (10,9,8,7,{},{})", port / 256, port % 256));
                self.data = Some(listener);
            }
            "SIZE" => {
                let size = self.files.lock().unwrap().get(name).map(Vec::len);
                match size {
                    Some(size) => self.say(&format!("213 {size}")),
                    None => self.say("550 no such file"),
                }
            }
            "REST" => {
                self.at = name.parse().unwrap();
                self.say("350 ready");
            }
            "STOR" | "APPE" => self.take(verb, name, cut),
            "DELE" => {
                self.files.lock().unwrap().remove(name);
                self.say("250 gone");
            }
            "RNFR" => {
                name.clone_into(&mut self.from);
                self.say("350 to what");
            }
            "RNTO" => {
                let mut files = self.files.lock().unwrap();
                let bytes = files.remove(&self.from).unwrap();
                files.insert(name.to_owned(), bytes);
                drop(files);
                self.say("250 renamed");
            }
            _ => self.say("200 fine"),
        }
    }

    fn take(&mut self, verb: &str, name: &str, cut: Option<(usize, &str)>) {
        let mut data = self.data.take().unwrap().accept().unwrap().0;
        self.say("150 send");
        let mut came = Vec::new();
        let reply = if let Some((count, reply)) = cut {
            came.resize(count, 0);
            data.read_exact(&mut came).unwrap();
            reply
        } else {
            data.read_to_end(&mut came).unwrap();
            "226 thanks"
        };
        drop(data);
        let mut files = self.files.lock().unwrap();
        let file = files.entry(name.to_owned()).or_default();
        if verb == "STOR" {
            file.truncate(std::mem::take(&mut self.at));
        }
        file.extend(came);
        drop(files);
        self.say(reply);
    }
}
