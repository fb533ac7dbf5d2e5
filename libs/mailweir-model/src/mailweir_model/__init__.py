"""What is learnt about mail: features, models as plain artefacts, fingerprints of campaigns."""
