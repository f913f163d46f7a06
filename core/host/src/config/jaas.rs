//! `sasl.jaas.config`, as people who come from Java have it: one login module with its options.
//!
//! ```text
//! org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="p";
//! ```

use zeroize::Zeroizing;

/// An option's value: it may be a secret.
pub(super) type Value = Zeroizing<String>;

/// The login module, by the last part of its class's name, and its options.
#[derive(Default)]
pub(super) struct Module {
    pub(super) class: String,
    pub(super) username: Option<Value>,
    pub(super) password: Option<Value>,
    /// All others.
    pub(super) options: Vec<(String, Value)>,
}

/// Reads the one entry; what is wrong with it otherwise. No message tells what the text holds.
pub(super) fn parse(text: &str) -> Result<Module, &'static str> {
    let mut tokens = Tokens { text };
    let Some(Token::Word(class)) = tokens.next()? else {
        return Err("the name of a login module comes first");
    };
    let Some(Token::Word(flag)) = tokens.next()? else { return Err("a control flag follows, as `required`") };
    if !["required", "requisite", "sufficient", "optional"].contains(&flag.to_ascii_lowercase().as_str()) {
        return Err("the control flag is required, requisite, sufficient or optional");
    }
    let class = class.rsplit('.').next().unwrap_or_default().to_owned();
    let mut module = Module { class, ..Module::default() };
    loop {
        match tokens.next()? {
            Some(Token::End) => break,
            Some(Token::Word(name)) => {
                let (Some(Token::Equals), Some(Token::Word(value))) = (tokens.next()?, tokens.next()?) else {
                    return Err("an option is name=\"value\"");
                };
                match name.as_str() {
                    "username" => module.username = Some(value),
                    "password" => module.password = Some(value),
                    _ => module.options.push((name.to_string(), value)),
                }
            }
            Some(Token::Equals) => return Err("an option is name=\"value\""),
            None => return Err("it ends with a semicolon"),
        }
    }
    if tokens.next()?.is_some() {
        return Err("there is one login module, and nothing behind its semicolon");
    }
    Ok(module)
}

enum Token {
    Word(Zeroizing<String>),
    Equals,
    End,
}

struct Tokens<'t> {
    text: &'t str,
}

impl Tokens<'_> {
    fn next(&mut self) -> Result<Option<Token>, &'static str> {
        self.text = self.text.trim_start();
        let mut chars = self.text.chars();
        let token = match chars.next() {
            None => return Ok(None),
            Some('=') => Token::Equals,
            Some(';') => Token::End,
            Some('"') => {
                let mut word = Zeroizing::new(String::with_capacity(self.text.len()));
                loop {
                    match chars.next() {
                        Some('"') => break,
                        // As in Java: before most characters a backslash means nothing.
                        Some('\\') => word.extend(chars.next().map(unescape)),
                        Some(other) => word.push(other),
                        None => return Err("a quoted value ends with a quote"),
                    }
                }
                Token::Word(word)
            }
            Some(_) => {
                let ends = |c: char| c.is_whitespace() || matches!(c, '=' | ';' | '"');
                let (word, rest) = self.text.split_at(self.text.find(ends).unwrap_or(self.text.len()));
                self.text = rest;
                return Ok(Some(Token::Word(Zeroizing::new(word.to_owned()))));
            }
        };
        self.text = chars.as_str();
        Ok(Some(token))
    }
}

const fn unescape(c: char) -> char {
    match c {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_java_people_have() {
        for text in [
            r#"org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="p";"#,
            " PlainLoginModule\n  Required\n username=u\n password = \"p\" ; ",
            r#"a.b.PlainLoginModule optional password="p" username="u";"#,
        ] {
            let module = parse(text).unwrap();
            assert_eq!((module.class.as_str(), module.options.len()), ("PlainLoginModule", 0));
            assert_eq!(module.username.unwrap().as_str(), "u");
            assert_eq!(module.password.unwrap().as_str(), "p");
        }
        let module = parse(r#"M required password="a\"b\\c;d=e f" user_x="y";"#).unwrap();
        assert_eq!(module.password.unwrap().as_str(), r#"a"b\c;d=e f"#);
        assert!(module.username.is_none());
        let [(name, value)] = &module.options[..] else { panic!("one more") };
        assert_eq!((name.as_str(), value.as_str()), ("user_x", "y"));
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "",
            ";",
            "M",
            "M;",
            "M sometimes;",
            "M required",
            "M required username;",
            "M required username=;",
            "M required =x;",
            r#"M required password="p"#,
            r#"M required password="p"; N required;"#,
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
