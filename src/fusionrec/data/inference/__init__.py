"""What files of one's own seem to hold: ``fusionrec init``, with the reason for each guess."""
