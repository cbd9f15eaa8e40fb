"""What a model costs: parameters, multiply-adds, time, memory. Nothing trains or predicts here."""
