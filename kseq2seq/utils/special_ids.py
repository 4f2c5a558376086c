"""The ids that every vocabulary starts with, written here once."""

PAD_ID, UNK_ID, BOS_ID, EOS_ID = 0, 1, 2, 3
