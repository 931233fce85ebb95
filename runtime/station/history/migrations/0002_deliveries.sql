-- Which rows another program has confirmed, for example an MQTT broker. No part of the chain.
CREATE TABLE deliveries (
    receiver TEXT PRIMARY KEY,  -- a digest, without credentials
    number   INTEGER NOT NULL   -- of the last row that was confirmed
);
