"""fusionrec: a two-tower recommender, trained with PaddlePaddle and answered from Milvus."""

import os
import warnings

__version__ = "0.1.0"

# Paddle's C++ log has no level of its own in Python; its warnings speak to Paddle's developers.
os.environ.setdefault("GLOG_minloglevel", "2")
# Paddle looks for a compiler cache when it is imported and warns that there is none.
warnings.filterwarnings("ignore", message="No ccache found", category=UserWarning)
