//! The steps that do something.

use std::time::Duration;

use super::{Outcome, Play};
use crate::Step;
use crate::client::Standing;
use crate::step::Frame;
use crate::template::{TemplateError, Values};

impl Play<'_> {
    pub(super) async fn step(&mut self, step: &Step, round: u64) -> Outcome {
        match step {
            Step::Connect(connect) => self.connect(connect).await,
            Step::ExpectRefused {
                status,
                challenge,
                connect,
            } => {
                self.expect_refused(connect, status, challenge.as_deref())
                    .await
            }
            Step::Send { on, text, race } => {
                let text = self.values(round).text(text)?;
                for name in on {
                    if !race {
                        self.settle(Some(name)).await?;
                        self.before_text(name, &text).await?;
                    }
                    self.remember(name, &text)?;
                    let (client, log) = self.client(name)?;
                    client.send(&text, log).await;
                }
                Ok(())
            }
            Step::SendBinary { on, bytes } => {
                let bytes = self.values(round).bytes(bytes)?;
                for name in on {
                    self.settle(Some(name)).await?;
                    self.remember(name, &String::from_utf8_lossy(&bytes))?;
                    let (client, log) = self.client(name)?;
                    client.send_binary(&bytes, log).await;
                }
                Ok(())
            }
            Step::SendFrame(frame) => {
                let bytes = encode(frame, &self.values(round))?;
                self.send_raw(&frame.on, &bytes).await
            }
            Step::Guests { count, bytes } => {
                let values = self.values(round);
                let (count, bytes) = (values.amount(count)?, values.bytes(bytes)?);
                self.note("", &format!("{count} guests"));
                for _ in 0..count {
                    self.guests.push(self.backend.guest(&bytes).await?);
                }
                Ok(())
            }
            Step::SendRaw { on, bytes } => {
                let bytes = self.values(round).bytes(bytes)?;
                self.send_raw(on, &bytes).await
            }
            Step::Expect(expect) => {
                for name in &expect.on {
                    self.expect(name, expect, round).await?;
                }
                Ok(())
            }
            Step::ExpectSameOrder {
                on,
                count,
                members,
                or_closed,
            } => {
                let count = self.values(round).amount(count)?;
                self.expect_same_order(on, count, members, *or_closed).await
            }
            Step::ExpectPongFrame { on, bytes } => {
                let bytes = self.values(round).bytes(bytes)?;
                for name in on {
                    self.expect_pong_frame(name, &bytes).await?;
                }
                Ok(())
            }
            Step::ExpectClosed {
                on,
                codes,
                within,
                eventually,
            } => {
                let within = within
                    .as_ref()
                    .map_or(Ok(0), |ms| self.values(round).amount(ms))?;
                let within = Duration::from_millis(within);
                for name in on {
                    self.expect_closed(name, codes, within, *eventually).await?;
                }
                Ok(())
            }
            Step::ExpectOpen { on } => {
                for name in on {
                    self.fence(name).await?;
                }
                Ok(())
            }
            Step::ExpectNothing { on } => {
                for name in on {
                    self.nothing(name).await?;
                }
                Ok(())
            }
            Step::ExpectSome {
                on,
                at_least,
                at_most,
            } => {
                for name in on {
                    let count = self.count(name).await?;
                    // Not before: what has come until now may depend on how long it took.
                    let values = self.values(round);
                    let range = values.amount(at_least)?..=values.amount(at_most)?;
                    super::expect::expect_in(name, count, &range)?;
                }
                Ok(())
            }
            Step::Await {
                on,
                text,
                expect,
                within,
                race,
            } => {
                let values = self.values(round);
                let (text, expect) = (values.text(text)?, values.text(expect)?);
                let within = within.as_ref().map(|ms| values.amount(ms)).transpose()?;
                let within = within.map_or(self.patience, Duration::from_millis);
                for name in on {
                    if !race {
                        self.settle(Some(name)).await?;
                    }
                    self.await_answer(name, &text, &expect, within).await?;
                }
                Ok(())
            }
            Step::Close { on, code, reason } => {
                for name in on {
                    self.settle(Some(name)).await?;
                    self.note(
                        name,
                        &format!(
                            "close {}",
                            code.map_or("without code".to_owned(), |code| code.to_string())
                        ),
                    );
                    self.leave(name)?.close(*code, reason).await;
                }
                Ok(())
            }
            Step::Abort { on } => {
                for name in on {
                    self.settle(Some(name)).await?;
                    self.note(name, "abort");
                    self.leave(name)?.abort().await;
                }
                Ok(())
            }
            Step::Pause { on } => {
                self.settle(None).await?;
                for name in on {
                    self.note(name, "stop reading");
                    let (client, _) = self.client(name)?;
                    client.standing = Standing::Paused;
                    client.connection().pause().await;
                }
                Ok(())
            }
            Step::Resume { on } => {
                for name in on {
                    self.note(name, "read again");
                    let (client, _) = self.client(name)?;
                    client.standing = Standing::Open;
                    client.connection().resume().await;
                }
                Ok(())
            }
            Step::Release { on, silent } => {
                for name in on {
                    self.release(name, *silent).await?;
                }
                Ok(())
            }
            Step::Advance { ms } => {
                let ms = self.values(round).amount(ms)?;
                self.settle(None).await?;
                self.note("", &format!("{ms} ms pass"));
                self.advanced = self.advanced.saturating_add(ms);
                Ok(self.backend.advance(Duration::from_millis(ms)).await?)
            }
            Step::Restart => {
                self.settle(None).await?;
                self.note("", "restart");
                self.stand_in = None;
                Ok(self.backend.restart().await?)
            }
            Step::Hibernate => {
                self.settle(None).await?;
                self.note("", "hibernate");
                Ok(self.backend.hibernate().await?)
            }
            Step::Drain => {
                self.settle(None).await?;
                self.note("", "drain");
                Ok(self.backend.drain().await?)
            }
            Step::Http(http) => self.http(http).await,
            Step::Meet { on, topic, within } => {
                let values = self.values(round);
                let topic = values.text(topic)?;
                let within = within.as_ref().map(|ms| values.amount(ms)).transpose()?;
                let within = Duration::from_millis(within.unwrap_or_default());
                self.meet(on, &topic, within).await
            }
            Step::KillNode { node } => {
                self.note("", &format!("node {node} ends"));
                self.stand_in = None;
                Ok(self.backend.kill_node(*node).await?)
            }
            Step::DrainNode { node } => {
                self.note("", &format!("node {node} drains"));
                self.stand_in = None;
                Ok(self.backend.drain_node(*node).await?)
            }
            Step::StartNode { node } => {
                self.note("", &format!("node {node} starts"));
                Ok(self.backend.start_node(*node).await?)
            }
            Step::StopBus => {
                self.note("", "the bus ends");
                Ok(self.backend.stop_bus().await?)
            }
            Step::StartBus => {
                self.note("", "the bus starts");
                Ok(self.backend.start_bus().await?)
            }
            Step::Repeat { .. } => unreachable!("`steps` unrolls them"),
        }
    }

    /// Keeps a message in mind whose sender may get no echo of it.
    fn remember(&mut self, name: &str, text: &str) -> Outcome {
        if !self.has_echo {
            self.client(name)?.0.remember(text);
        }
        Ok(())
    }

    async fn send_raw(&mut self, on: &[String], bytes: &[u8]) -> Outcome {
        for name in on {
            self.settle(Some(name)).await?;
            let (client, log) = self.client(name)?;
            client.send_raw(bytes, log).await;
        }
        Ok(())
    }
}

/// A frame as a client sends it, with a mask of zeros if any.
fn encode(frame: &Frame, values: &Values<'_>) -> Result<Vec<u8>, TemplateError> {
    let payload = values.bytes(&frame.bytes)?;
    let length = match &frame.announce {
        Some(amount) => values.amount(amount)?,
        None => payload.len() as u64,
    };
    let mask_bit = if frame.masked { 0x80 } else { 0 };
    let mut bytes = vec![frame.first];
    match length {
        0..=125 => bytes.push(mask_bit | length as u8),
        126..=0xffff => {
            bytes.push(mask_bit | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(mask_bit | 127);
            bytes.extend(length.to_be_bytes());
        }
    }
    if frame.masked {
        bytes.extend([0; 4]);
    }
    bytes.extend(payload);
    Ok(bytes)
}
