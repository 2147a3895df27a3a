//! Who is told of alerts: a web server and a mail server that write down what comes.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A client that says nothing for longer is given up.
const SILENCE: Duration = Duration::from_secs(20);

/// Takes messages and keeps them, as long as the process lives.
pub struct Receiver<T> {
    port: u16,
    got: Arc<Mutex<Vec<T>>>,
}

impl<T: Clone + Send + 'static> Receiver<T> {
    fn start(
        serve: impl Fn(TcpStream, &Mutex<Vec<T>>) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let got: Arc<Mutex<Vec<T>>> = Arc::default();
        let (kept, serve) = (got.clone(), Arc::new(serve));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, serve) = (kept.clone(), serve.clone());
                thread::spawn(move || {
                    // a client that goes away is no fault of the test
                    let _ = stream.set_read_timeout(Some(SILENCE));
                    let _ = serve(stream, &kept);
                });
            }
        });
        Self { port, got }
    }

    /// Everything that came, in order.
    pub fn got(&self) -> Vec<T> {
        self.got.lock().expect("nobody panics with it").clone()
    }

    /// Its port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// A web server that takes every POST of JSON with 200.
pub fn webhook() -> Receiver<Value> {
    Receiver::start(|stream, got| {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut stream = stream;
        loop {
            let (mut length, mut line) = (0, String::new());
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            loop {
                line.clear();
                reader.read_line(&mut line)?;
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap_or(0);
                }
                if line.trim().is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body)?;
            got.lock()
                .expect("nobody panics with it")
                .push(serde_json::from_slice(&body).unwrap_or_default());
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
        }
    })
}

/// A mail server (RFC 5321) that takes every mail; keeps headers and text.
pub fn mail() -> Receiver<String> {
    Receiver::start(|stream, got| {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut stream = stream;
        stream.write_all(b"220 test ESMTP\r\n")?;
        let mut line = String::new();
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            match line.to_ascii_uppercase().split_whitespace().next().unwrap_or_default() {
                "DATA" => {
                    stream.write_all(b"354 go on\r\n")?;
                    let mut mail = String::new();
                    loop {
                        line.clear();
                        reader.read_line(&mut line)?;
                        if line == ".\r\n" {
                            break;
                        }
                        mail += &line;
                    }
                    got.lock().expect("nobody panics with it").push(mail);
                    stream.write_all(b"250 taken\r\n")?;
                }
                "QUIT" => return stream.write_all(b"221 bye\r\n"),
                "EHLO" => stream.write_all(b"250-test\r\n250 8BITMIME\r\n")?,
                _ => stream.write_all(b"250 ok\r\n")?,
            }
        }
    })
}
