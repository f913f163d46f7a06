//! Just enough JSON for the golden vectors.

use std::iter::Peekable;
use std::str::Chars;

/// A JSON value; numbers are whole.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(i64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads a whole line.
    pub(crate) fn parse(line: &str) -> Self {
        let mut chars = line.chars().peekable();
        let value = value(&mut chars);
        assert_eq!(chars.next(), None, "text after the value");
        value
    }

    pub(crate) fn field(&self, name: &str) -> &Self {
        let Self::Object(fields) = self else { panic!("{self:?} is no object") };
        &fields.iter().find(|(key, _)| key == name).unwrap_or_else(|| panic!("no {name} in {self:?}")).1
    }

    pub(crate) fn number(&self) -> i64 {
        let Self::Number(number) = self else { panic!("{self:?} is no number") };
        *number
    }

    pub(crate) fn list(&self) -> &[Self] {
        let Self::List(list) = self else { panic!("{self:?} is no list") };
        list
    }

    /// A text, or null.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Null => None,
            Self::Text(text) => Some(text),
            other => panic!("{other:?} is no text"),
        }
    }
}

fn value(chars: &mut Peekable<Chars<'_>>) -> Json {
    match chars.peek() {
        Some('"') => Json::Text(text(chars)),
        Some('[') => Json::List(items(chars, ']', value)),
        Some('{') => Json::Object(items(chars, '}', |chars| {
            let key = text(chars);
            assert_eq!(chars.next(), Some(':'));
            (key, value(chars))
        })),
        _ => word(chars),
    }
}

fn items<'a, T>(
    chars: &mut Peekable<Chars<'a>>,
    end: char,
    mut item: impl FnMut(&mut Peekable<Chars<'a>>) -> T,
) -> Vec<T> {
    chars.next();
    let mut items = Vec::new();
    while chars.next_if_eq(&end).is_none() {
        chars.next_if_eq(&',');
        items.push(item(chars));
    }
    items
}

fn text(chars: &mut Peekable<Chars<'_>>) -> String {
    assert_eq!(chars.next(), Some('"'));
    let text = chars.by_ref().take_while(|char| *char != '"').collect::<String>();
    assert!(!text.contains('\\'), "the vectors have no escapes");
    text
}

fn word(chars: &mut Peekable<Chars<'_>>) -> Json {
    let mut word = String::new();
    while let Some(char) = chars.next_if(|char| !",]}".contains(*char)) {
        word.push(char);
    }
    match word.as_str() {
        "null" => Json::Null,
        "true" => Json::Bool(true),
        "false" => Json::Bool(false),
        number => Json::Number(number.parse().expect("a whole number")),
    }
}
