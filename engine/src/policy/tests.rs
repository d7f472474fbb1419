mod features;
mod oracle;
