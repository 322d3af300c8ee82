"""Writers of the generated protocol modules: one for the shape of classes, one for encoders, one for decoders."""
