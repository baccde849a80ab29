//! The executable with which tests start spaces: the stages of a space's agent, and an app that does
//! as it is told.
//!
//! `serve PORT` answers HTTP: `GET …/api` with 200, `GET /env` with its environment, `POST /run` with
//! the output of the script in the body.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some(sagegate_agent::COMMAND) => {
            sagegate_agent::main(arguments.get(2..).unwrap_or_default())
        }
        Some("serve") => {
            let port = arguments.get(2).and_then(|it| it.parse().ok()).unwrap_or_default();
            match serve(port) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("the test's app: {error}");
                    ExitCode::FAILURE
                }
            }
        }
        _ => ExitCode::FAILURE,
    }
}

fn serve(port: u16) -> std::io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("the test's app serves");
    loop {
        let (stream, _) = listener.accept()?;
        std::thread::spawn(move || {
            let _ = answer(stream);
        });
    }
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or_default();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut words = request.split_whitespace();
    let text = match (words.next(), words.next()) {
        (Some("GET"), Some(path)) if path.ends_with("/api") => "{}".to_owned(),
        (Some("GET"), Some("/env")) => {
            std::env::vars().map(|(name, value)| format!("{name}={value}\n")).collect()
        }
        (Some("POST"), Some("/run")) => {
            let script = String::from_utf8_lossy(&body);
            let output =
                Command::new("/bin/bash").args(["-c", &format!("exec 2>&1; {script}")]).output()?;
            String::from_utf8_lossy(&output.stdout).into_owned()
        }
        _ => return stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
    };
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    )
}
