//! From the browser's values to the types of `soundport-api`.
//!
//! The browser parses JSON already. What is left is small, and says of a wrong shape only that it is wrong: texts of errors that nobody
//! reads would weigh more than all of this, since they write floats.

use std::fmt;

use js_sys::{Array, Object, Reflect};
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{self, DeserializeOwned, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use wasm_bindgen::{JsCast, JsValue};

/// Reads a text as JSON; none where it is not, or has another shape than `T`.
pub(crate) fn from_text<T: DeserializeOwned>(text: &str) -> Option<T> {
    T::deserialize(Value(js_sys::JSON::parse(text).ok()?)).ok()
}

/// Reads levels by the source's id: ten times a second, so by hand.
pub(crate) fn levels(text: &str) -> Option<Vec<(String, [f32; 2])>> {
    let levels = js_sys::JSON::parse(text).ok()?;
    let side = |sides: &Array, side| sides.get(side).as_f64().unwrap_or(0.0) as f32;
    let level = |(id, sides): (Value, Value)| {
        let sides: Array = sides.0.dyn_into().ok()?;
        Some((id.0.as_string()?, [side(&sides, 0), side(&sides, 1)]))
    };
    levels.is_object().then(|| entries(&levels).filter_map(level).collect())
}

/// An object's fields that are texts, for objects of which little else is asked.
pub(crate) struct Texts(JsValue);

impl Texts {
    /// Reads an object of the browser's; what is none has no fields.
    pub(crate) fn of(object: JsValue) -> Self {
        Self(object)
    }

    /// Reads a text as a JSON object; none where it is not.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        js_sys::JSON::parse(text).ok().filter(JsValue::is_object).map(Self)
    }

    /// The field's text, where it has one.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        Reflect::get(&self.0, &name.into()).ok()?.as_string()
    }
}

/// Not the shape that was asked for.
#[derive(Debug)]
struct WrongShape;

struct Value(JsValue);

impl<'de> IntoDeserializer<'de, WrongShape> for Value {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Value {
    type Error = WrongShape;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, WrongShape> {
        if let Some(text) = self.0.as_string() {
            return visitor.visit_string(text);
        }
        if let Some(number) = self.0.as_f64() {
            let is_whole = number >= 0.0 && number.trunc() == number;
            return if is_whole { visitor.visit_u64(number as u64) } else { visitor.visit_f64(number) };
        }
        if let Some(truth) = self.0.as_bool() {
            return visitor.visit_bool(truth);
        }
        match self.0.dyn_into::<Array>() {
            Ok(array) => visitor.visit_seq(SeqDeserializer::new(array.iter().map(Value))),
            Err(other) if other.is_object() => visitor.visit_map(MapDeserializer::new(entries(&other))),
            Err(_) => visitor.visit_unit(),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, WrongShape> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, WrongShape> {
        // Enums of the interface are words.
        visitor.visit_enum(self.0.as_string().ok_or(WrongShape)?.into_deserializer())
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf unit unit_struct newtype_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

fn entries(object: &JsValue) -> impl Iterator<Item = (Value, Value)> + use<> {
    let entries: Vec<JsValue> = Object::entries(object.unchecked_ref()).iter().collect();
    entries.into_iter().map(|entry| {
        let entry: Array = entry.unchecked_into();
        (Value(entry.get(0)), Value(entry.get(1)))
    })
}

impl fmt::Display for WrongShape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("not the shape that was asked for")
    }
}

impl std::error::Error for WrongShape {}

impl de::Error for WrongShape {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }

    fn invalid_type(_: de::Unexpected<'_>, _: &dyn de::Expected) -> Self {
        Self
    }

    fn invalid_value(_: de::Unexpected<'_>, _: &dyn de::Expected) -> Self {
        Self
    }

    fn invalid_length(_: usize, _: &dyn de::Expected) -> Self {
        Self
    }

    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Self {
        Self
    }

    fn unknown_field(_: &str, _: &'static [&'static str]) -> Self {
        Self
    }

    fn missing_field(_: &'static str) -> Self {
        Self
    }

    fn duplicate_field(_: &'static str) -> Self {
        Self
    }
}
